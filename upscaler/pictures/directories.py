"""Reader of TIFF and EXIF directories, and their validation before Pillow loads their values.

Pillow copies each value into memory, and any number of entries may point at the same bytes: a file of 5 MB took over
6 GB when it was opened.
"""

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

from upscaler.errors import LimitError
from upscaler.pictures.content import Content
from upscaler.pictures.exif_tags import POINTERS

SHORT, LONG = 3, 4
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_FRACTIONS = (5, 10)
PREFIX = b"Exif\0\0"
_MAX_RATIO = 4  # size of all values to that of the file; honest files may have a wrong count, too
_ALWAYS_ALLOWED = 1_000_000  # bytes
_EXIF_OF_AVIF = 4  # index in the information of Pillow's decoder
_MOST_ENTRIES = 65_535  # of a directory; a BigTIFF could promise more, but there are no more tags


@dataclass(frozen=True)
class Layout:
    """Layout of a TIFF: byte order, offset of the first pointer, and struct formats of a count, entry and pointer."""

    order: str
    first: int
    count: str
    entry: str
    pointer: str

    def size(self, format: str) -> int:
        """Number of bytes of a format."""
        return struct.calcsize(self.order + format)


class Entry(NamedTuple):
    """One entry of a directory: tag, type and amount of values; place of the entry; place and bytes of its values.

    values, length: as the entry says, inside the content or not; a value of unknown type has no bytes.
    """

    tag: int
    kind: int
    amount: int
    place: int
    values: int
    length: int


class Directory(NamedTuple):
    """Entries of one directory, as many as there is room for, and their end, where the link to the next stands.

    is_whole: there are as many as it promises, at least one.
    """

    place: int
    entries: list[Entry]
    end: int
    is_whole: bool


def layout_of(content: Content) -> Layout:
    """Return the layout that the header of a TIFF names: byte order, and plain TIFF or BigTIFF."""
    order = ">" if content[:2] == b"MM" else "<"
    return Layout(order, 8, "Q", "HHQQ", "Q") if 43 in content[2:4] else Layout(order, 4, "H", "HHII", "I")


def read_directory(content: Content, place: int, layout: Layout) -> Directory:
    """Read a directory; one that the content cuts short has no link."""
    length, inline = layout.size(layout.entry), layout.size(layout.pointer)
    start = place + layout.size(layout.count)
    promised = number(content, place, layout.count, layout)
    room = min(max(len(content) - start, 0) // length, _MOST_ENTRIES)
    entries = []
    pieces = struct.iter_unpack(layout.order + layout.entry, content[start : start + min(promised, room) * length])
    for n, (tag, kind, count, value) in enumerate(pieces):
        entry, size = start + n * length, count * _SIZES.get(kind, 0)
        entries.append(Entry(tag, kind, count, entry, value if size > inline else entry + length - inline, size))
    end = start + promised * length if promised <= room else len(content)
    return Directory(place, entries, end, 0 < promised == len(entries))


def directory_at(content: Content, entry: Entry, layout: Layout) -> int:
    """Return the place of the directory that an entry points at; 0 if none is said."""
    inline = layout.size(layout.pointer)
    format = "H" if entry.kind == SHORT else "I" if entry.kind == LONG else layout.pointer
    return number(content, entry.place + layout.size(layout.entry) - inline, format, layout)


def unit_of(kind: int) -> int:
    """Return the bytes of the numbers that values of a type consist of: a fraction is two numbers."""
    return _SIZES[kind] // 2 if kind in _FRACTIONS else _SIZES[kind]


def number(content: Content, place: int, format: str, layout: Layout) -> int:
    """Return the number at a place; 0 beyond the end."""
    piece = content[place : place + layout.size(format)]
    return int(struct.unpack(layout.order + format, piece)[0]) if len(piece) == layout.size(format) else 0


def check_directories(content: Content, name: str) -> None:
    """Raise LimitError if a directory's values far exceed the content's length, or if directories overlap widely."""
    if len(content) < 16:
        return
    layout = layout_of(content)
    places, seen, entries = [number(content, layout.first, layout.pointer, layout)], set[int](), 0
    while places:
        if (place := places.pop()) in seen or not 0 < place < len(content):
            continue
        seen.add(place)
        directory = read_directory(content, place, layout)
        entries += len(directory.entries)
        overlap = entries * layout.size(layout.entry) - len(content)
        values = sum(min(entry.length, len(content)) for entry in directory.entries)
        pointers = [entry for entry in directory.entries if entry.tag in POINTERS]
        places.append(number(content, directory.end, layout.pointer, layout))
        places += [directory_at(content, entry, layout) for entry in pointers]
        if values > _MAX_RATIO * len(content) + _ALWAYS_ALLOWED or overlap > _ALWAYS_ALLOWED:
            raise LimitError(f"{name} is broken (its tags are larger than the file); export it again")


def exif_of_avif(decoder: Any) -> bytes:
    """Return the EXIF of a file that Pillow's decoder of AVIF has opened, as stored; b"" if there is none."""
    block: bytes = decoder.get_info()[_EXIF_OF_AVIF] or b""
    return block


def check_exif(exif: bytes, name: str) -> None:
    """Raise LimitError as `check_directories` does, or if the prefix is repeated.

    Pillow takes one prefix after another, and copies the rest each time: a million of them would take hours.
    """
    exif = exif.removeprefix(PREFIX)
    if exif.startswith(PREFIX):
        raise LimitError(f"{name} is broken (its EXIF begins twice); export it again")
    check_directories(exif, name)
