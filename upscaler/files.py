"""Upscaling of picture files."""

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from upscaler.atomic import atomic_path
from upscaler.config import Options
from upscaler.encoding import Encoding
from upscaler.errors import PictureError
from upscaler.model.architecture import SCALE
from upscaler.pictures.budget import check_memory
from upscaler.pictures.colour import pixels_in_srgb
from upscaler.pictures.formats import PNG, check_room, format_of
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.header import Frame, Header
from upscaler.pictures.metadata import Metadata, corrected
from upscaler.pictures.orientation import upright_size
from upscaler.pictures.reading import read_frames, read_header
from upscaler.pixels import Pixels, to_8_bits
from upscaler.price import check_price, memory
from upscaler.upscaler import Progress, Upscaler, empty_double

# Called during the last pass over the first frame: its source, the array that is being filled, its rows that are done
Watch = Callable[[Header, Pixels, Pixels, int], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Doubled:
    """Result of `double_file`.

    size, doubled_size: width and height of the first frame before and after, upright. format: Pillow's name of the
    output format. jpeg: True if the JPEG network was used.
    """

    size: tuple[int, int]
    doubled_size: tuple[int, int]
    format: str
    jpeg: bool


def double_file(
    upscaler: Upscaler, source: Path, target: Path, options: Options = Options(), watch: Watch | None = None
) -> Generator[Progress, None, Doubled]:
    """Upscale the picture file `source` to `target`, whose suffix sets the format; yield progress, return `Doubled`.

    Every frame of an animation and every page of a TIFF is upscaled. Closing the generator cancels without a file.
    watch: sees the first frame while it is upscaled.
    Raises PictureError if the picture cannot be read, is too large, or cannot be written in that format.
    """
    header = read_header(source, options.limits)
    _check(upscaler, header, target, options)
    job = _JobProgress(header.pixels * sum(SCALE ** (2 * n) for n in range(1, options.times + 1)))
    metadata = _corrected_metadata(header, options)
    with (
        atomic_path(target) as temporary,
        temporary.open("w+b") as file,
        Encoding(file, format_of(target), header, metadata, options.quality) as encoding,
    ):
        watches = [encoding.see, *filter(None, [watch])]
        frames = yield from _upscale_frames(upscaler, header, target, options, job, watches)
        yield from (job.progress() for _ in encoding.finish(frames))
    factor = SCALE**options.times
    doubled_size = factor * header.width, factor * header.height
    used_jpeg_model = header.jpeg and upscaler.model.jpeg_model is not None
    return Doubled((header.width, header.height), doubled_size, format_of(target).name, used_jpeg_model)


def _upscale_frames(
    upscaler: Upscaler,
    header: Header,
    target: Path,
    options: Options,
    job: "_JobProgress",
    watches: Iterable[Watch],
) -> Generator[Progress, None, list[Frame]]:
    """Upscale all frames. watches: see the first one while it is upscaled."""
    frames: list[Frame] = []
    # Compiled beside pictures, a network would keep up to 29 MB more from the system
    upscaler.prepare(header.height, header.width, jpeg=header.jpeg)
    for frame in read_frames(header):
        pixels, jpeg = _fit_format(frame.pixels, target, header.metadata.profile), header.jpeg
        for left in reversed(range(options.times)):
            doubled = empty_double(pixels)
            passes = upscaler.upscale_into(doubled, pixels, flips=options.flips, jpeg=jpeg)
            if not (left or frames):
                watched = [partial(watch, header, pixels, doubled) for watch in watches]
                passes = _watched(upscaler, passes, pixels, watched)
            yield from job.track(doubled, passes)
            pixels, jpeg = doubled, False  # the first pass removes the JPEG artefacts
        frames.append(replace(frame, pixels=pixels))
    return frames


def _watched(
    upscaler: Upscaler, passes: Iterator[Progress], pixels: Pixels, watches: Iterable[Callable[[int], None]]
) -> Iterator[Progress]:
    def tell(share: float) -> None:
        rows = upscaler.count_rows_done(pixels.shape[0], pixels.shape[1], share)
        for watch in watches:
            watch(rows)

    tell(0)
    for progress in passes:
        tell(progress.share)
        yield progress


def _check(upscaler: Upscaler, header: Header, target: Path, options: Options) -> None:
    """Raise PictureError if the header alone shows that the job is impossible or exceeds a limit."""
    factor = SCALE**options.times
    _check_colour(header, target)
    check_room(target, factor * header.width, factor * header.height, header.sequence)
    check_price(upscaler, header, options.times, options.flips, options.limits)
    check_memory(header, memory(upscaler, header, format_of(target), options.times, options.flips), options.memory)


def _check_colour(header: Header, target: Path) -> None:
    """Raise PictureError for HDR that is not decoded, or not written, as such; warn if colours will be converted."""
    format, metadata = format_of(target), header.metadata
    is_decoded = header.format == PNG.name or header.pages[0].depth == 16
    if metadata.hdr and not (is_decoded and format is PNG):
        instead = "choose PNG" if is_decoded else "save it as a PNG of 16 bits"
        raise PictureError(f"{header.path} is an HDR picture ({metadata.hdr}), which only a PNG keeps here; {instead}")
    if metadata.profile and not format.profiled:
        _log.warning("%s: converted its colours to sRGB, for a %s holds no colour profile", header.path, format)


def _fit_format(pixels: Pixels, target: Path, profile: bytes) -> Pixels:
    """Convert pixels to the bit depth, channels and, if its format holds no `profile`, colour of the target.

    Raises PictureError if they are transparent and the format has no alpha channel.
    """
    format = format_of(target)
    if not format.deep:
        pixels = to_8_bits(pixels)
    if pixels.shape[2] in (2, 4) and not format.transparent:
        if pixels[:, :, -1].min() < np.iinfo(pixels.dtype).max:
            raise PictureError(
                f"{target.name} has transparent pixels, which {format} does not support; choose PNG or WebP"
            )
        pixels = pixels[:, :, :-1]
    return pixels if format.profiled else pixels_in_srgb(pixels, profile)


def _corrected_metadata(header: Header, options: Options) -> Metadata:
    scale = SCALE**options.times
    stored = upright_size((header.width, header.height), header.orientation)
    geometry = Geometry(header.orientation, stored, (scale * header.width, scale * header.height))
    return corrected(header.metadata, header.path, geometry, remove_location=options.remove_location)


@dataclass
class _JobProgress:
    """Progress of a job in output pixels of all frames and passes: `total` and `done`."""

    total: int
    done: float = 0
    started: float = field(default_factory=time.monotonic)

    def track(self, doubled: Pixels, passes: Iterator[Progress]) -> Iterator[Progress]:
        """Convert the progress of one pass into that of the whole job."""
        before, pixels = self.done, doubled.shape[0] * doubled.shape[1]
        for progress in passes:
            self.done = before + progress.share * pixels
            yield self.progress()

    def progress(self) -> Progress:
        return Progress(self.done / self.total, self.done / 1e6, time.monotonic() - self.started)
