"""A picture in, the picture doubled out."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from upscaler import tiling
from upscaler.engines.cores import cores
from upscaler.engines.engine import Engine, Precision, engine_for, fastest_precision
from upscaler.flat import flat_places, is_flat, is_neutral
from upscaler.model import find
from upscaler.model.architecture import COLOURS, SCALE
from upscaler.model.artifact import Artifact
from upscaler.orientations import Orientation
from upscaler.pixels import Pixels, Planes, to_pixels, to_planes
from upscaler.transparency import with_hidden_filled


@dataclass(frozen=True)
class Progress:
    """How far a piece of work has come: `share` in [0, 1], `megapixels` of output made, `seconds` spent."""

    share: float
    megapixels: float
    seconds: float

    @property
    def megapixels_per_second(self) -> float:
        """Output megapixels a second so far."""
        return self.megapixels / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float:
        """Seconds that the rest takes at the speed so far; infinite before anything is done."""
        return self.seconds * (1 - self.share) / self.share if self.share else float("inf")


class Upscaler:
    """Doubles pictures with one loaded model. Threads may share it.

    precision: what the networks are computed in, "bf16" where the processor has it, else "f32". window: pixels a side
    that the network doubles in one run.
    """

    def __init__(self, model: Artifact, precision: Precision | None = None, window: int | None = None) -> None:
        """Compile the model for windows of a fixed shape: what is fastest on this processor, unless told otherwise.

        Raises ModelError if it cannot be run.
        """
        self.model = model
        self.precision: Precision = precision or fastest_precision()
        engine = engine_for(self.precision)
        self.window = window or engine.window
        self._halo = model.config.architecture.radius
        side = self.window + 2 * self._halo
        self._engine = engine(model, side)
        self._jpeg_engine = engine(model.jpeg_model, side) if model.jpeg_model else self._engine
        self._seconds_per_window: dict[Engine, float] = {}

    @classmethod
    def load(cls, model: str = find.FAST) -> "Upscaler":
        """Load "fast" or "best", an artifact's folder, or "user/name[@revision]" of the Hub.

        Where the Hub does not answer, the cached model serves, else the fast one: `model` says which.
        Raises ModelError if there is no such model or it is broken.
        """
        return cls(find.model_or_fast(model))

    def upscale(self, picture: Pixels, *, flips: bool = False, jpeg: bool = False) -> Pixels:
        """Double a picture: HWC uint8 or uint16 in, (2H)(2W)C of the same type out.

        Channels: 1 (gray), 3 (colour), and 2 or 4 with alpha as the last. jpeg: see `upscale_into`.
        """
        doubled = empty_double(picture)
        for _ in self.upscale_into(doubled, picture, flips=flips, jpeg=jpeg):
            pass
        return doubled

    def upscale_into(
        self, doubled: Pixels, picture: Pixels, *, flips: bool = False, jpeg: bool = False
    ) -> Iterator[Progress]:
        """Double a picture into `doubled`, window by window; may be closed at any time.

        picture: HWC uint8 or uint16 with 1 to 4 channels; doubled: (2H)(2W)C of the same type. flips: average the
        network over the eight flips and turns, at eight times the cost. jpeg: use the model's JPEG network, if it
        has one, because lossy compression left traces. A picture of equal channels stays so, and what is
        flat as far as the network sees stays just as it is.
        """
        engine = self._jpeg_engine if jpeg else self._engine
        started = time.monotonic()
        megapixels = doubled.shape[0] * doubled.shape[1] / 1e6
        parts = [slice(0, None)]
        if picture.shape[2] in (2, 4):  # alpha goes through the network as a gray picture of its own
            # what becomes visible lies within the halo of what is, and sees as far again
            picture = with_hidden_filled(picture, 2 * self._halo)
            parts = [slice(0, -1), slice(-1, None)]
        for n, part in enumerate(parts):
            for share in self._upscale_opaque(engine, doubled[:, :, part], picture[:, :, part], flips):
                share = (n + share) / len(parts)
                yield Progress(share, share * megapixels, time.monotonic() - started)

    def count_windows(self, height: int, width: int) -> int:
        """Return the number of windows that cover a picture."""
        return tiling.count(height, width, self.window)

    def seconds_per_window(self, *, jpeg: bool = False) -> float:
        """Return the wall-clock time of one window in a long job, measured at the first call. jpeg: as above."""
        engine = self._jpeg_engine if jpeg else self._engine
        if engine not in self._seconds_per_window:
            self._seconds_per_window[engine] = _measured(engine, self.window + 2 * self._halo)
        return self._seconds_per_window[engine]

    def _upscale_opaque(self, engine: Engine, doubled: Pixels, picture: Pixels, flips: bool) -> Iterator[float]:
        """Double a picture of 1 or 3 channels, yielding the share that is done."""
        if is_flat(picture):
            doubled[:] = picture[:1, :1]
            yield 1.0
            return
        height, width = picture.shape[:2]
        total = tiling.count(height, width, self.window)
        orientations = list(Orientation) if flips else [Orientation.UPRIGHT]
        neutral = is_neutral(picture)
        for done, (window, seen, planes) in enumerate(self._doubled_windows(engine, picture, orientations), start=1):
            if neutral:
                planes = np.broadcast_to(planes.mean(axis=1, keepdims=True), planes.shape)
            pixels = to_pixels(planes[:, : picture.shape[2]], picture.dtype)
            self._keep_flat(pixels, seen)
            tiling.write_window(doubled, window, pixels)
            yield done / total

    def _doubled_windows(
        self, engine: Engine, picture: Pixels, orientations: list[Orientation]
    ) -> Iterator[tuple[tiling.Window, Pixels, Planes]]:
        """Each window, what the network sees, and the mean of what it makes of it, 13(2 size)(2 size)."""
        height, width = picture.shape[:2]
        jobs = (
            ((window, seen, orientation), orientation.apply(planes))
            for window in tiling.windows(height, width, self.window)
            for seen in [tiling.read_window(picture, window, self._halo)]
            for planes in [to_planes(with_colours(seen))]
            for orientation in orientations
        )
        total: Planes | None = None
        for (window, seen, orientation), planes in engine.run(jobs):
            share = orientation.undo(planes) / np.float32(len(orientations))
            total = share if total is None else total + share
            if orientation is orientations[-1]:
                yield window, seen, total
                total = None

    def _keep_flat(self, pixels: Pixels, seen: Pixels) -> None:
        """Put the picture's own colour where a window, which the network has seen so far as `seen`, is flat."""
        flat = flat_places(seen, self._halo)
        if flat.any():
            own = seen[self._halo : -self._halo, self._halo : -self._halo]
            double = [array.repeat(SCALE, axis=0).repeat(SCALE, axis=1) for array in (own, flat)]
            np.copyto(pixels, double[0], where=double[1][:, :, np.newaxis])


def _measured(engine: Engine, side: int) -> float:
    """Return the seconds that each of some windows of noise takes, side by side, after one on each core to warm up."""
    noise = np.random.default_rng(0).random((1, COLOURS, side, side), np.float32)
    for windows in (cores(), 2 * cores()):
        started = time.monotonic()
        for _ in engine.run((n, noise) for n in range(windows)):
            pass
    return (time.monotonic() - started) / windows


def empty_double(picture: Pixels) -> Pixels:
    """An array for the result of doubling `picture`: HWC -> (2H)(2W)C."""
    height, width, channels = picture.shape
    return np.empty_like(picture, shape=(SCALE * height, SCALE * width, channels))


def with_colours(picture: Pixels) -> Pixels:
    """A picture with the three colours that the network wants: HW1 or HW3 -> HW3."""
    colours: Pixels = picture[:, :, np.arange(COLOURS) % picture.shape[2]]
    return colours
