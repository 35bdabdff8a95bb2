"""Memory: the bytes that a job needs, foreseen before a picture is decoded, and what the machine has left.

On a CPU, running out of memory is no exception but a killed process, so it is foreseen.
"""

from contextlib import suppress
from pathlib import Path

import psutil

from upscaler.errors import LimitError
from upscaler.model.architecture import SCALE
from upscaler.pictures.formats import AVIF, BMP, GIF, HEIF, JPEG, PNG, WEBP, Format, Sequence
from upscaler.pictures.reading import Header

_ALWAYS_ALLOWED = 100_000_000  # bytes; a small picture is never refused
_WINDOWS = 25_000_000  # bytes: windows on their way through the network, which the allocator keeps afterwards
_CGROUP = Path("/sys/fs/cgroup")
# Of a control group, version 2 and 1: its limit, what it takes, the statistics, and what of it is cache of files there
_GROUPS = (
    ("memory.max", "memory.current", "memory.stat", "inactive_file"),
    (
        *("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
        "total_inactive_file",
    ),
)

# Bytes a pixel, measured as the peak above that of a small picture, each for gray, colour, and colour with alpha.
_READING = {"WEBP": (13, 15, 19), "AVIF": (8, 10, 12)}  # but not of 16 bits, which come from libvips
_READING_OTHERS = (2, 7, 8)  # Pillow's copy and numpy's
_WRITING = {
    JPEG: (2, 6.8, 6.8),
    WEBP: (17.5, 19, 45),
    BMP: (2, 7.5, 7.5),
    GIF: (2.5, 13.5, 13.5),
    AVIF: (19.5, 29.5, 34),
    HEIF: (19.5, 29.5, 34),
}
# Of animations: bytes a pixel of all frames, and of the largest one. AVIF's encoder looks ahead over many frames.
_WRITING_ANIMATIONS = {
    PNG: ((1.2, 12), (8.3, 6.5), (8.8, 6.5)),
    WEBP: ((5.5, 17), (5.5, 16), (6.5, 22)),
    GIF: ((4.6, 18), (4.6, 14), (4.8, 14)),
    AVIF: ((8, 178), (8, 178), (13.5, 40)),
}


def check_memory(header: Header, format: Format, times: int, budget: int | None) -> None:
    """Raise LimitError if upscaling would take more bytes than `budget` (None: half of what is left)."""
    allowed = left() // 2 if budget is None else budget
    if (needed := need(header, format, times)) > max(allowed, _ALWAYS_ALLOWED):
        raise LimitError(
            f"{header.path} has {header.width}x{header.height} pixels{header.counted}, and to double it takes "
            f"{needed / 1e9:.1f} GB of memory where {allowed / 1e9:.1f} GB may be used; make it smaller or free memory"
        )


def need(header: Header, format: Format, times: int) -> int:
    """Foresee the bytes at the peak, beyond what the loaded model takes: while the last frame is upscaled, or written.

    Within 10 % of what was measured; 30 % for AVIF, WebP and animations, where much depends on what the picture shows.
    """
    kind = (0, 2, 1, 2)[header.channels - 1]
    depth = header.depth // 8 if format.deep else 1
    stored = header.channels * depth  # bytes a pixel
    largest = max(width * height for width, height in header.sizes)
    before = largest * SCALE ** (2 * (times - 1)) * stored if times > 1 else 0
    after = header.pixels * SCALE ** (2 * times)
    reading = largest * (stored if header.depth == 16 else _READING.get(header.format, _READING_OTHERS)[kind])
    writing = _writing(format, kind, after, largest * SCALE ** (2 * times), header.sequence)
    return int(_WINDOWS + max(reading + before + after * stored, writing))


def _writing(format: Format, kind: int, pixels: int, of_largest: int, sequence: Sequence) -> float:
    """Foresee the bytes that an encoder takes, the frames that it is given included; 0 if it is not in the tables."""
    if sequence is Sequence.ANIMATION and format in _WRITING_ANIMATIONS:
        of_all, of_one = _WRITING_ANIMATIONS[format][kind]
        return of_all * pixels + of_one * of_largest
    return _WRITING[format][kind] * pixels if format in _WRITING else 0.0


def left() -> int:
    """Return the bytes of memory that the machine, or the control group of this process, has left."""
    available: int = psutil.virtual_memory().available
    return min([available, *(left for files in _GROUPS for left in _left_in_group(*files))])


def _left_in_group(limit: str, used: str, statistics: str, inactive: str) -> list[int]:
    """Return what a control group has left, if there is one with a limit; the page cache is given back on demand."""
    with suppress(OSError, ValueError, KeyError):  # no such group, or "max"
        counted = dict(line.split() for line in (_CGROUP / statistics).read_text().splitlines())
        taken = int((_CGROUP / used).read_text()) - int(counted[inactive])
        return [max(int((_CGROUP / limit).read_text()) - taken, 0)]
    return []
