"""Memory budget: the peak memory of a job, estimated before decoding, and the memory available.

On a CPU, running out of memory raises no exception: the process is killed. Hence the estimate.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from upscaler import control_groups
from upscaler.errors import LimitError
from upscaler.model.architecture import SCALE
from upscaler.pictures.formats import AVIF, BMP, GIF, HEIF, JPEG_2000, PNG, WEBP, Format, Sequence
from upscaler.pictures.header import Header, Page

_ALWAYS_ALLOWED = 100_000_000  # bytes; small pictures are never refused

# Bytes per pixel for gray, colour, and colour with alpha: measured peak minus the peak for a small picture
_READING = {"WEBP": (13, 15, 19), "AVIF": (8, 10, 12), "JPEG2000": (6.5, 20, 25)}  # with 8 bits
_READING_DEEP = {"AVIF": (26, 26, 44)}  # libheif decodes all at once; PNG and TIFF are read in strips
_READING_OTHERS = (2, 7, 8)  # the copies of Pillow and numpy
_WRITING = {
    WEBP: (14.5, 16, 43.5),
    BMP: (2, 7.5, 7.5),
    GIF: (2.5, 7, 13),
    AVIF: (17.5, 28.5, 31),
    HEIF: (17.5, 28.5, 44.5),
    JPEG_2000: (12.2, 42, 56),
}
_WRITING_DEEP = {AVIF: (43, 44, 78)}
_WRITING_LOSSLESS = {WEBP: (39.5, 44, 48), AVIF: (43, 44, 78)}
# Animations: bytes per pixel of all frames, and per pixel of the largest; the AVIF encoder looks ahead over some frames
_WRITING_LOSSLESS_ANIMATIONS = {WEBP: ((8, 17), (8, 17), (8, 22))}
_COUNTED_COLOURS = 36, 100_000_000  # bytes per pixel of a GIF's largest frame, and at most, while its palette is chosen
_STREAMED_ROWS = 1_200  # of a result that libvips keeps while it encodes what is still upscaled, at any width
_ANIMATION = 20_000_000  # bytes of any but a GIF, which the allocator keeps between frames
_WRITING_ANIMATIONS = {
    PNG: ((1.2, 12), (8.3, 6.5), (8.8, 6.5)),
    WEBP: ((4.9, 13), (4.9, 14), (6.5, 22)),
    GIF: ((3.5, 25), (3, 4), (4, 9)),
    AVIF: ((1.2, 25), (3.4, 31), (5.5, 54)),
}


def check_memory(header: Header, needed: int, budget: int | None) -> None:
    """Raise LimitError if the `needed` bytes are more than `budget` (None: half of the available memory)."""
    allowed = available_memory() // 2 if budget is None else budget
    if needed > max(allowed, _ALWAYS_ALLOWED):
        raise LimitError(
            f"{header.path} has {header.width}x{header.height} pixels{header.counted}; upscaling it needs "
            f"{needed / 1e9:.1f} GB of memory, but only {allowed / 1e9:.1f} GB may be used; "
            "make it smaller or free memory"
        )


def peak_memory(header: Header, format: Format, times: int) -> int:
    """Estimate the peak memory in bytes above model and windows: at the last upscaling, or at encoding after it.

    Within 10 % of measurements of photos; encoders of WebP and AVIF, and of animations, vary by up to 18 % between runs
    and with the content. For two doublings, up to 25 % more than measured.
    """
    kind = max(_kind(page) for page in header.pages)
    area = SCALE ** (2 * times)  # output pixels for each input pixel
    largest = max(header.pages, key=lambda page: page.pixels * _bytes(page, format))
    before = largest.pixels * area // SCALE**2 * _bytes(largest, format) if times > 1 else 0
    after = sum(page.pixels * _bytes(page, format) for page in header.pages) * area
    writing = _writing(header, format, kind, header.pixels * area, largest.pixels * area)
    return int(max(_reading(header, largest) + before + after + _streaming(header, format, SCALE**times), writing))


def _kind(page: Page) -> int:
    """Return the column of the tables: gray, colour, or colour with alpha; gray with alpha is decoded as that."""
    return (0, 2, 1, 2)[page.channels - 1]


def _bytes(page: Page, format: Format) -> int:
    """Return the bytes of a pixel in the depth that the result will have."""
    return page.channels * (page.depth // 8 if format.deep else 1)


def _reading(header: Header, page: Page) -> float:
    """Estimate the bytes that a page and its decoder's copies take."""
    if page.depth == 8:
        return page.pixels * _READING.get(header.format, _READING_OTHERS)[_kind(page)]
    deep = _READING_DEEP.get(header.format)
    return page.pixels * (deep[_kind(page)] if deep else 2 * page.channels)


def _writing(header: Header, format: Format, kind: int, pixels: int, of_largest: int) -> float:
    """Estimate the bytes that an encoder takes, including its input frames; 0 if it is not in the tables."""
    lossless = header.lossless and header.format == format.name
    palette = _choosing_palette(format, kind, of_largest)
    if header.sequence is Sequence.ANIMATION and format in _WRITING_ANIMATIONS:
        animations = _WRITING_ANIMATIONS | (_WRITING_LOSSLESS_ANIMATIONS if lossless else {})
        of_all, of_one = animations[format][kind]
        return of_all * pixels + of_one * of_largest + (palette if format is GIF else _ANIMATION)
    tables = _WRITING | (_WRITING_LOSSLESS if lossless else {}) | (_WRITING_DEEP if header.pages[0].depth == 16 else {})
    return tables[format][kind] * pixels + palette if format in tables else 0.0


def _choosing_palette(format: Format, kind: int, pixels: int) -> int:
    """Estimate the bytes that a GIF's palette takes while it is chosen; gray ones need no choice."""
    each, most = _COUNTED_COLOURS
    return min(each * pixels, most) if format is GIF and kind else 0


def _streaming(header: Header, format: Format, factor: int) -> int:
    """Estimate the bytes that an encoder takes beside the network."""
    page = header.pages[0]
    rows = min(_STREAMED_ROWS, factor * page.height) if header.is_streamed_as(format) else 0
    return rows * factor * page.width * _bytes(page, format)


def available_memory() -> int:
    """Return the bytes of memory available to this process on the machine and in its control groups."""
    available: int = psutil.virtual_memory().available
    return min([available, *(left for files in _control_groups() for left in files.available())])


@dataclass(frozen=True)
class _MemoryFiles:
    """Files of a control group in `folder`: `limits` and `used` in bytes.

    cache, swapped: names of the statistics of inactive page cache and of swapped memory.
    """

    folder: Path
    limits: tuple[str, ...]
    used: tuple[str, ...]
    cache: str
    swapped: str

    def available(self) -> list[int]:
        """Return the bytes left below each limit.

        Inactive page cache counts as free, because the kernel drops it first; swapped memory counts as used, because
        it returns when it is needed.
        """
        with suppress(OSError, ValueError):  # no such group
            lines = (self.folder / "memory.stat").read_text().splitlines()
            counters = {name: int(value) for name, value in map(str.split, lines)}
            used = sum(self._numbers(self.used)) + counters.get(self.swapped, 0) - counters.get(self.cache, 0)
            return [max(limit - used, 0) for limit in self._numbers(self.limits)]
        return []

    def _numbers(self, names: tuple[str, ...]) -> list[int]:
        """Read the files that hold a number, not "max"; a group without swap lacks that of its swap."""
        numbers = []
        for name in names:
            with suppress(OSError, ValueError):
                numbers.append(int((self.folder / name).read_text()))
        return numbers


def _control_groups() -> Iterator[_MemoryFiles]:
    """Yield the control groups, of version 2 and 1, that hold this process: a limit of each applies."""
    for folder in control_groups.folders():
        used = "memory.current", "memory.swap.current"
        yield _MemoryFiles(folder, ("memory.max", "memory.high"), used, cache="inactive_file", swapped="")
    for folder in control_groups.folders("memory"):
        limit, usage = "memory.limit_in_bytes", "memory.usage_in_bytes"
        yield _MemoryFiles(folder, (limit,), (usage,), cache="total_inactive_file", swapped="total_swap")
