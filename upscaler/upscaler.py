"""Tiled super-resolution of a picture in memory."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import prod
from numbers import Integral

import numpy as np

from upscaler import tiling
from upscaler.engines.choice import choose, choose_on, gpu_of
from upscaler.engines.cores import shared_cores
from upscaler.engines.devices import Device, Gpu, check
from upscaler.engines.engine import Engine, engine_for, usual
from upscaler.engines.precision import GPU_PRECISION, Choice, Precision
from upscaler.engines.timing import seconds_per_window
from upscaler.errors import GpuError, OptionError, PictureError
from upscaler.flat import flat_places, is_flat, is_neutral
from upscaler.model import find
from upscaler.model.architecture import COLOURS, SCALE
from upscaler.model.artifact import Artifact
from upscaler.orientations import Orientation
from upscaler.pixels import Pixels, Planes, check_pixels, to_pixels, to_planes
from upscaler.tiling import Shape
from upscaler.transparency import keep_in_local_range, with_hidden_filled
from upscaler.window_shapes import best_shape

_ROUNDS = 2  # after a warm-up; the fastest counts


@dataclass(frozen=True)
class Progress:
    """Progress of a job: `share` done in [0, 1], output `megapixels` so far, `seconds` elapsed."""

    share: float
    megapixels: float
    seconds: float

    @property
    def megapixels_per_second(self) -> float:
        """Throughput so far in output megapixels per second."""
        return self.megapixels / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float:
        """Estimated seconds remaining at the present speed; infinite at the start."""
        return self.seconds * (1 - self.share) / self.share if self.share else float("inf")


class Upscaler:
    """A loaded model that upscales pictures x2; thread-safe.

    precision: number format of the networks: on the CPU "bf16", "f32" or, with a model that has weights for it, "int8";
    on a GPU "fp16". gpu: where they run; None for the CPU. window: greatest side in pixels of the windows that the
    network upscales in one run.
    """

    def __init__(
        self,
        model: Artifact,
        precision: Precision | None = None,
        window: int | None = None,
        gpu: Gpu | None = None,
        choice: Choice | None = None,
    ) -> None:
        """Load the model. window: the side of all windows, if given.

        Precision, of the CPU, and windows default to the fastest, measured when a model of this size is first loaded on
        this machine. choice: both, measured by another process.
        Raises ModelError if the model cannot be run, OptionError for another precision or window.
        """
        check("gpu" if gpu else "cpu", precision)
        if window is not None and (not isinstance(window, Integral) or window < 1):
            raise OptionError(f"the window's side must be a whole number of pixels, 1 or more, got {window}")
        self.model, self.gpu = model, gpu
        if given := GPU_PRECISION if gpu else precision:
            choice = usual(given)
        choice = choice or choose(model)
        self.precision = choice.precision
        self.window = window or choice.window
        self._fixed = window is not None
        self._at_once = 1 if gpu else shared_cores()  # windows; the same in processes that share the machine
        engine = engine_for(choice.precision, gpu)
        self._halo = model.config.architecture.radius
        side = self.window + 2 * self._halo
        self._engine = engine(model, side)
        self._jpeg_engine = engine(model.jpeg_model, side) if model.jpeg_model else self._engine
        self._seconds: dict[Engine, float] = {}  # per window, square and as large as may be

    @classmethod
    def load(cls, model: str = find.FAST, precision: Precision | None = None, device: Device = "cpu") -> "Upscaler":
        """Load "fast" or "best", an artifact's folder, or "user/name[@revision]" from the Hub.

        device: "cpu", "gpu", "gpu:N", or "auto": a GPU measured to be faster, if no precision is given, else the CPU.
        If the Hub does not respond, falls back to the cached model, then to the fast one; see `model`.
        Raises ModelError if there is no such model or it is broken, OptionError if there is no such device or
        precision.
        """
        check(device, precision)
        artifact = find.model_or_fast(model)
        choice = choose_on(device, artifact, precision)
        try:
            return cls(artifact, choice=choice, gpu=gpu_of(choice, device))
        except GpuError:
            if device != "auto":
                raise
            return cls(artifact)

    def prepare(self, height: int, width: int, *, jpeg: bool = False) -> None:
        """Compile the model for pictures of a size, which the first of them does otherwise. jpeg: the JPEG network."""
        (self._jpeg_engine if jpeg else self._engine).prepare(self._shape_for(height, width).with_halo(self._halo))

    def upscale(self, picture: Pixels, *, flips: bool = False, jpeg: bool = False) -> Pixels:
        """Upscale a picture x2: HWC uint8 or uint16 -> (2H)(2W)C of the same type.

        Channels: 1 (gray), 2 (gray, alpha), 3 (colour) or 4 (colour, alpha). flips, jpeg: see `upscale_into`.
        Raises PictureError for any other array.
        """
        doubled = empty_double(picture)
        for _ in self.upscale_into(doubled, picture, flips=flips, jpeg=jpeg):
            pass
        return doubled

    def upscale_into(
        self, doubled: Pixels, picture: Pixels, *, flips: bool = False, jpeg: bool = False
    ) -> Iterator[Progress]:
        """Upscale a picture into `doubled`, window by window, yielding progress; may be closed at any time.

        picture: HWC uint8 or uint16 with 1 to 4 channels; doubled: (2H)(2W)C of the same type. flips: self-ensemble
        over the eight flips and rotations, at eight times the cost. jpeg: use the model's JPEG network, if it has one.
        A gray picture stays gray, and a region that is constant over the receptive field keeps its exact colour.
        Raises PictureError, at the first progress, if an array is none of these.
        """
        _check_arrays(doubled, picture)
        engine = self._jpeg_engine if jpeg else self._engine
        started = time.monotonic()
        megapixels = doubled.shape[0] * doubled.shape[1] / 1e6
        parts = [slice(0, None)]
        if picture.shape[2] in (2, 4):  # alpha is upscaled separately, as a gray picture
            # upscaling can make pixels visible one halo away, and their receptive field reaches one halo further
            picture = with_hidden_filled(picture, 2 * self._halo)
            parts = [slice(0, -1), slice(-1, None)]
        for n, part in enumerate(parts):
            is_alpha = n == 1
            for share in self._upscale_opaque(engine, doubled[:, :, part], picture[:, :, part], flips, is_alpha):
                share = (n + share) / len(parts)
                yield Progress(share, share * megapixels, time.monotonic() - started)

    def count_windows(self, height: int, width: int) -> int:
        """Return the number of windows that cover a picture."""
        return tiling.count(height, width, self._shape_for(height, width))

    def count_rows_done(self, height: int, width: int, share: float) -> int:
        """Return the final rows of an upscaled picture when a share of its windows is done, 0 to 1."""
        return SCALE * tiling.rows_done(height, self._shape_for(height, width), share)

    def seconds_for(self, height: int, width: int, *, jpeg: bool = False) -> float:
        """Return the seconds that a picture takes in a long job, without waits for other programs.

        The first call measures windows of noise. jpeg: measure the JPEG network.
        """
        pixels = self.count_windows(height, width) * prod(self._shape_for(height, width).with_halo(self._halo))
        windows = pixels / prod(Shape(self.window, self.window).with_halo(self._halo))
        return windows * self._seconds_per_window(self._jpeg_engine if jpeg else self._engine)

    def memory_for(self, sizes: Iterable[tuple[int, int]]) -> int:
        """Estimate the bytes that windows take beside the loaded model, for pictures of these heights and widths."""
        shapes = {self._shape_for(*size).with_halo(self._halo) for size in sizes}
        return self._engine.memory(shapes) if shapes else 0

    def megapixels_per_second(self) -> float:
        """Return the throughput in output megapixels per second, measured on windows of noise."""
        return (SCALE * self.window) ** 2 / 1e6 / self._seconds_per_window(self._engine)

    def _shape_for(self, height: int, width: int) -> Shape:
        """Return the shape of the windows of a picture, without the halo. Raises OptionError if it has no pixels."""
        if min(height, width) < 1:
            raise OptionError(f"height and width of a picture must be 1 or more, got {height} and {width}")
        if self._fixed:
            return Shape(self.window, self.window)
        return best_shape(height, width, self.window, self._halo, self._at_once, self._engine.compiles)

    def _seconds_per_window(self, engine: Engine) -> float:
        if engine not in self._seconds:
            side, on_gpu = self.window + 2 * self._halo, self.gpu is not None
            _, *rounds = (seconds_per_window(engine, side, on_gpu=on_gpu) for _ in range(1 + _ROUNDS))
            self._seconds[engine] = min(rounds)
        return self._seconds[engine]

    def _upscale_opaque(
        self, engine: Engine, doubled: Pixels, picture: Pixels, flips: bool, is_alpha: bool
    ) -> Iterator[float]:
        """Upscale a picture of 1 or 3 channels, yielding the share done. is_alpha: add no contrast at edges."""
        if is_flat(picture):
            doubled[:] = picture[:1, :1]
            yield 1.0
            return
        total = self.count_windows(*picture.shape[:2])
        orientations = list(Orientation) if flips else [Orientation.UPRIGHT]
        neutral = is_neutral(picture)
        for done, (window, padded, planes) in enumerate(self._run_windows(engine, picture, orientations), start=1):
            if neutral:
                planes = np.broadcast_to(planes.mean(axis=1, keepdims=True), planes.shape)
            pixels = to_pixels(planes[:, : picture.shape[2]], picture.dtype)
            if is_alpha:
                keep_in_local_range(pixels, padded, self._halo)
            self._keep_flat(pixels, padded)
            tiling.write_window(doubled, window, pixels)
            yield done / total

    def _run_windows(
        self, engine: Engine, picture: Pixels, orientations: list[Orientation]
    ) -> Iterator[tuple[tiling.Window, Pixels, Planes]]:
        """Yield each window, its padded input, and the output averaged over orientations, 13(2h)(2w)."""
        height, width = picture.shape[:2]
        shape = self._shape_for(height, width)
        jobs = (
            ((window, padded, orientation), orientation.apply(planes))
            for window in tiling.windows(height, width, shape)
            for padded in [tiling.read_window(picture, window, self._halo)]
            for planes in [to_planes(with_colours(padded))]
            for orientation in orientations
        )
        total: Planes | None = None
        for (window, padded, orientation), planes in engine.run(jobs):
            share = orientation.undo(planes) / np.float32(len(orientations))
            total = share if total is None else total + share
            if orientation is orientations[-1]:
                yield window, padded, total
                total = None

    def _keep_flat(self, pixels: Pixels, padded: Pixels) -> None:
        """Copy the input colour into `pixels` where the receptive field, taken from `padded`, is constant."""
        flat = flat_places(padded, self._halo)
        if flat.any():
            inner = padded[self._halo : -self._halo, self._halo : -self._halo]
            colour, mask = (array.repeat(SCALE, axis=0).repeat(SCALE, axis=1) for array in (inner, flat))
            np.copyto(pixels, colour, where=mask[:, :, np.newaxis])


def empty_double(picture: Pixels) -> Pixels:
    """Allocate the output array for `picture`: HWC -> (2H)(2W)C. Raises PictureError if it is none."""
    check_pixels(picture)
    return np.empty_like(picture, shape=_double_shape(picture))


def _double_shape(picture: Pixels) -> tuple[int, int, int]:
    height, width, channels = picture.shape
    return SCALE * height, SCALE * width, channels


def _check_arrays(doubled: Pixels, picture: Pixels) -> None:
    """Raise PictureError if `picture` cannot be upscaled into `doubled`."""
    for pixels in (picture, doubled):
        check_pixels(pixels)
    if (doubled.dtype, doubled.shape) != (picture.dtype, shape := _double_shape(picture)):
        raise PictureError(
            f"the upscaled picture must be {picture.dtype} of shape {shape}, got {doubled.dtype} of {doubled.shape}"
        )


def with_colours(picture: Pixels) -> Pixels:
    """Expand a picture to the network's three colour channels: HW1 or HW3 -> HW3."""
    colours: Pixels = picture[:, :, np.arange(COLOURS) % picture.shape[2]]
    return colours
