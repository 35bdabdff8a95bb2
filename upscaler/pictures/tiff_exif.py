"""EXIF of a TIFF, which lies in the file's own directories, among what describes the pixels."""

import mmap
import struct

import numpy as np

from upscaler.pictures.content import Content
from upscaler.pictures.directories import (
    LONG,
    Entry,
    directory_at,
    layout_of,
    number,
    read_directory,
    unit_of,
)
from upscaler.pictures.exif import lost
from upscaler.pictures.exif_tags import MAKER_NOTE, POINTERS, STORAGE, STRIPS

_HEADER = 8  # bytes
_HEADERS = {"<": b"II*\0\x08\0\0\0", ">": b"MM\0*\0\0\0\x08"}
_ENTRY, _INLINE, _LINK = 12, 4, 4  # bytes of an entry, of the values in it, and of a link
_LAST_KIND = 13  # what comes after is of BigTIFF
_DEPTH = 2  # of directories below the first: EXIF, and interoperability below it
_LONGEST = 1_000_000  # bytes

# Beginnings of maker notes whose offsets count from their own start, by ExifTool's tables.
_MOVABLE_NOTES = (b"Apple iOS\0", b"FUJIFILM", b"Nikon\0\x02", b"OLYMPUS\0", b"OM SYSTEM\0", b"PENTAX \0")
_BEGINNING = 16  # bytes


def collected(content: Content) -> tuple[bytes, list[str]]:
    """Return the EXIF of a TIFF as a block that a JPEG could hold, b"" if it has none; and warnings."""
    copy, header = _Copy(content, layout_of(content).order), _HEADERS[layout_of(content).order]
    directories = copy.of_all(len(header))
    return header + directories if any(directories) else b"", [*lost(copy.left_out), *copy.warnings()]


def laid_out(block: bytes, base: int) -> tuple[bytes, list[str]]:
    """Return the directories of a block, little-endian, the first first, for a place `base` in a TIFF; and warnings.

    A maker note that cannot be moved is pointed at where it is: see `is_fixed`.
    """
    copy = _Copy(block, "<", fixed_notes=True)
    return copy.of_all(base), copy.warnings()


def is_fixed(block: bytes) -> bool:
    """Return True if a block has a maker note that cannot be moved; a TIFF that takes it begins with the block."""
    copy = _Copy(block, "<")
    copy.of_all(0)
    return MAKER_NOTE in copy.left_out


def shift(content: mmap.mmap, gap: int, header: int = 0) -> int:
    """Correct the offsets in a TIFF whose header is at a place, and all the rest of which was moved up by `gap`.

    It has no directories but those of its pages. Returns the place of the last one's link.
    """
    layout = layout_of(content[header : header + _HEADER])
    pointer = layout.order + layout.pointer
    inline, link = struct.calcsize(pointer), header + layout.first
    while place := number(content, link, layout.pointer, layout):
        struct.pack_into(pointer, content, link, place + gap)
        directory = read_directory(content, place + gap, layout)
        for entry in directory.entries:
            start = entry.values
            if entry.length > inline:
                start += gap
                struct.pack_into(pointer, content, entry.place + layout.size(layout.entry) - inline, start)
            if entry.tag in STRIPS:
                unit = f"{layout.order}u{unit_of(entry.kind)}"
                offsets = np.frombuffer(content[start : start + entry.length], unit) + np.array(gap, unit)
                content[start : start + entry.length] = offsets.tobytes()
        link = directory.end
    return link


class _Copy:
    """The copying of a TIFF's directories to another place, in a byte order."""

    def __init__(self, content: Content, order: str, *, fixed_notes: bool = False) -> None:
        self._fixed_notes = fixed_notes
        self._content, self._layout, self._order = content, layout_of(content), order
        self._room = _LONGEST
        self.left_out = set[int]()  # tags

    def of_all(self, base: int) -> bytes:
        """Return the first directory, laid out for the place `base`, and behind it all below."""
        return self._directory(number(self._content, self._layout.first, self._layout.pointer, self._layout), base, 0)

    def warnings(self) -> list[str]:
        """Return sentences on what was left out and may be missed."""
        notes = ["dropped its maker notes, which cannot be moved"] if MAKER_NOTE in self.left_out else []
        return notes + [f"dropped EXIF tags of more than {_LONGEST:,} bytes"] * (self._room < 0)

    def _directory(self, place: int, base: int, depth: int) -> bytes:
        found = read_directory(self._content, place, self._layout).entries
        entries = {entry.tag: entry for entry in reversed(found) if self._takes(entry, depth)}
        self.left_out |= {entry.tag for entry in found} - entries.keys()
        written = bytearray(struct.pack(self._order + "H", len(entries)))
        values, start = bytearray(), base + len(written) + _ENTRY * len(entries) + _LINK
        for tag, entry in sorted(entries.items()):
            if tag in POINTERS:
                below = directory_at(self._content, entry, self._layout)
                kind, amount, piece = LONG, 1, self._directory(below, start + len(values), depth + 1)
            else:
                kind, amount, piece = entry.kind, entry.amount, self._values(entry)
            written += struct.pack(self._order + "HHI", tag, kind, amount)
            if tag == MAKER_NOTE and not self._is_movable(entry):
                written += struct.pack(self._order + "I", entry.values)
            elif tag in POINTERS or len(piece) > _INLINE:
                written += struct.pack(self._order + "I", start + len(values))
                values += piece + bytes(len(piece) % 2)
            else:
                written += piece.ljust(_INLINE, b"\0")
        return bytes(written + bytes(_LINK) + values)

    def _takes(self, entry: Entry, depth: int) -> bool:
        """Return True if an entry is copied; its values take their share of the room."""
        if entry.tag in POINTERS:
            return depth < _DEPTH
        if entry.tag in STORAGE or not 0 < entry.length <= len(self._content) - entry.values or entry.kind > _LAST_KIND:
            return False
        if entry.tag == MAKER_NOTE and not self._is_movable(entry):
            return self._fixed_notes
        self._room -= entry.length
        return self._room >= 0

    def _is_movable(self, entry: Entry) -> bool:
        beginning = self._content[entry.values : entry.values + _BEGINNING]
        return entry.length <= _INLINE or beginning.startswith(_MOVABLE_NOTES)

    def _values(self, entry: Entry) -> bytes:
        """Return the values of an entry in the byte order of the copy."""
        raw, unit = self._content[entry.values : entry.values + entry.length], unit_of(entry.kind)
        return np.frombuffer(raw, f"{self._layout.order}u{unit}").astype(f"{self._order}u{unit}").tobytes()
