"""A picture file in, the doubled picture's file out."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from upscaler.atomic import atomic_path
from upscaler.background import until_done
from upscaler.errors import PictureError
from upscaler.limits import DEFAULT_LIMITS, Limits
from upscaler.model.architecture import SCALE
from upscaler.pictures.budget import check_memory
from upscaler.pictures.formats import check_room, format_of
from upscaler.pictures.metadata import Metadata, corrected
from upscaler.pictures.reading import Frame, Header, read_frames, read_header
from upscaler.pictures.writing import write
from upscaler.pixels import Pixels, to_8_bits
from upscaler.price import check_price
from upscaler.upscaler import Progress, Upscaler, empty_double


@dataclass(frozen=True)
class Options:
    """How a file is doubled.

    quality: of JPEG, WebP, AVIF and HEIC, 1 to 100. times: how often it is doubled (2: four times as wide). flips:
    average over the eight flips and turns. remove_location: leave out where the photo was taken. limits: the
    most that the file may have or cost. memory: bytes that may be used (None: half of what the machine has left).
    """

    quality: int = 95
    times: int = 1
    flips: bool = False
    remove_location: bool = False
    limits: Limits = DEFAULT_LIMITS
    memory: int | None = None


@dataclass(frozen=True)
class Doubled:
    """What was made of a file. Sizes: width and height of the first frame, upright. format: Pillow's name for it.

    jpeg: the JPEG network was used.
    """

    size: tuple[int, int]
    doubled_size: tuple[int, int]
    format: str
    jpeg: bool


def double_file(
    upscaler: Upscaler, source: Path, target: Path, options: Options = Options()
) -> Generator[Progress, None, Doubled]:
    """Upscale the picture in `source` into `target`, whose suffix chooses the format; yields progress, returns facts.

    Every frame of an animation and every page of a TIFF is upscaled. Closing the generator cancels and leaves no file.
    Raises PictureError if the picture cannot be read, is too large, or cannot be written in that format.
    """
    header = read_header(source, options.limits)
    _check(upscaler, header, target, options)
    work = _Work(header.pixels * sum(SCALE ** (2 * n) for n in range(1, options.times + 1)))
    with atomic_path(target) as temporary:
        frames = yield from _doubled_frames(upscaler, header, target, options, work)
        with temporary.open("w+b") as file:
            metadata = _metadata(header, options)
            writing = until_done(write, file, format_of(target), frames, header, metadata, options.quality)
            yield from (work.progress() for _ in writing)
    factor = SCALE**options.times
    doubled_size = factor * header.width, factor * header.height
    used_jpeg_model = header.jpeg and upscaler.model.jpeg_model is not None
    return Doubled((header.width, header.height), doubled_size, format_of(target).name, used_jpeg_model)


def _doubled_frames(
    upscaler: Upscaler, header: Header, target: Path, options: Options, work: "_Work"
) -> Generator[Progress, None, list[Frame]]:
    """Upscale all frames; what was read is released before they are written."""
    frames = []
    for frame in read_frames(header):
        pixels, jpeg = _fitted(frame.pixels, target), header.jpeg
        for _ in range(options.times):
            doubled = empty_double(pixels)
            doubling = upscaler.upscale_into(doubled, pixels, flips=options.flips, jpeg=jpeg)
            yield from work.counted(doubled, doubling)
            pixels, jpeg = doubled, False  # what is doubled has lost the traces
        frames.append(replace(frame, pixels=pixels))
    return frames


def _check(upscaler: Upscaler, header: Header, target: Path, options: Options) -> None:
    """Raise PictureError if what is known before decoding already says that it cannot be done."""
    factor = SCALE**options.times
    check_room(target, factor * header.width, factor * header.height, header.sequence)
    check_price(upscaler, header, options.times, options.flips, options.limits)
    check_memory(header, format_of(target), options.times, options.memory)


def _fitted(pixels: Pixels, target: Path) -> Pixels:
    """The pixels as the target's format can hold them. Raises PictureError if they are transparent and it cannot."""
    format = format_of(target)
    if not format.deep:
        pixels = to_8_bits(pixels)
    if pixels.shape[2] in (2, 4) and not format.transparent:
        if pixels[:, :, -1].min() < np.iinfo(pixels.dtype).max:
            raise PictureError(f"{target.name} cannot be transparent as a {format.name}; choose PNG or WebP")
        pixels = pixels[:, :, :-1]
    return pixels


def _metadata(header: Header, options: Options) -> Metadata:
    scale = SCALE**options.times
    size = scale * header.width, scale * header.height
    return corrected(header.metadata, header.path, *size, scale=scale, remove_location=options.remove_location)


@dataclass
class _Work:
    """How much of a file is done: output pixels of all its frames and doublings, in `total` and so far."""

    total: int
    done: float = 0
    started: float = field(default_factory=time.monotonic)

    def counted(self, doubled: Pixels, doubling: Iterator[Progress]) -> Iterator[Progress]:
        """One doubling's progress as that of the whole file."""
        before, pixels = self.done, doubled.shape[0] * doubled.shape[1]
        for progress in doubling:
            self.done = before + progress.share * pixels
            yield self.progress()

    def progress(self) -> Progress:
        return Progress(self.done / self.total, self.done / 1e6, time.monotonic() - self.started)
