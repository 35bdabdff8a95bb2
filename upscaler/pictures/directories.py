"""Validation of TIFF and EXIF directories before Pillow loads their values.

Pillow copies each value into memory, and any number of entries may refer to the same bytes: opening a file of 5 MB
took over 6 GB.
"""

import mmap
import struct
from dataclasses import dataclass

from upscaler.errors import LimitError

_POINTERS = (34665, 34853, 40965)  # to the directories of EXIF, GPS and interoperability
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}  # bytes, by type
_PREFIX = b"Exif\0\0"
_MAX_RATIO = 4  # size of all values to that of the file; honest files may have a wrong count, too
_ALWAYS_ALLOWED = 1_000_000  # bytes


@dataclass(frozen=True)
class _Layout:
    """Layout of a TIFF: byte order, offset of the first pointer, and struct formats of a count, entry and pointer."""

    order: str
    first: int
    count: str
    entry: str
    pointer: str


def check_directories(content: mmap.mmap | bytes, name: str) -> None:
    """Raise LimitError if a directory's values far exceed the content's length, or all entries exceed it."""
    if len(content) < 16:
        return
    order = ">" if content[:2] == b"MM" else "<"
    layout = _Layout(order, 8, "Q", "HHQQ", "Q") if content[2] == 43 else _Layout(order, 4, "H", "HHII", "I")
    places, visited, entries = [_number(content, layout.first, layout.pointer, order)], set[int](), 0
    while places:
        if (place := places.pop()) in visited or not 0 < place < len(content):
            continue
        visited.add(place)
        found, values, directories = _scan_directory(content, place, layout)
        entries += found
        places += directories
        if values > _MAX_RATIO * len(content) + _ALWAYS_ALLOWED or entries > len(content):
            raise LimitError(f"{name} is broken (its tags are larger than the file); export it again")


def check_exif(exif: bytes, name: str) -> None:
    """Raise LimitError as `check_directories` does, or if the prefix is repeated.

    Pillow strips one prefix after another and copies the rest each time: a million of them would take hours.
    """
    exif = exif.removeprefix(_PREFIX)
    if exif.startswith(_PREFIX):
        raise LimitError(f"{name} is broken (its EXIF begins twice); export it again")
    check_directories(exif, name)


def _scan_directory(content: mmap.mmap | bytes, place: int, layout: _Layout) -> tuple[int, int, list[int]]:
    """Return a directory's number of entries, the bytes of its values, and the offsets of further directories."""
    length = struct.calcsize(layout.order + layout.entry)
    start = place + struct.calcsize(layout.order + layout.count)
    room = max(len(content) - start, 0) // length
    entries = min(_number(content, place, layout.count, layout.order), room)
    end, values, directories = start + entries * length, 0, []
    for tag, kind, count, value in struct.iter_unpack(layout.order + layout.entry, content[start:end]):
        values += min(count * _SIZES.get(kind, 0), len(content))
        if tag in _POINTERS:
            directories.append(value)
    return entries, values, [_number(content, end, layout.pointer, layout.order), *directories]


def _number(content: mmap.mmap | bytes, place: int, format: str, order: str) -> int:
    """Return the number at an offset; 0 beyond the end."""
    piece = content[place : place + struct.calcsize(order + format)]
    return int(struct.unpack(order + format, piece)[0]) if len(piece) == struct.calcsize(order + format) else 0
