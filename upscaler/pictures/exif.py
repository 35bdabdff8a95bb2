"""EXIF, patched in place: https://www.cipa.jp/std/documents/download_e.html?DC-008-Translation-2023-E

Maker notes hold offsets from the start of the block, in ways that only their makers know. So no value moves: the
entries behind a removed one close up, its values become zeros, and every other byte stays.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence, Set
from itertools import chain, pairwise

from upscaler.errors import LimitError
from upscaler.pictures.directories import (
    LONG,
    SHORT,
    Directory,
    Entry,
    check_directories,
    directory_at,
    layout_of,
    number,
    read_directory,
)
from upscaler.pictures.exif_tags import (
    FOCAL_PLANE_RESOLUTIONS,
    GPS_POINTER,
    HEIGHTS,
    ORIENTATION,
    PHOTOSHOP_LAYERS,
    PIXEL_SCALE,
    PIXELS,
    PLACELESS,
    POINTERS,
    SUBJECTS,
    THUMBNAILS,
    TIE_POINTS,
    WIDTHS,
)
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.orientation import ORIENTATIONS

_HEADERS = (b"II*\0", b"MM\0*")
_FURTHEST_HEADER = 64  # bytes; a name, a length or padding comes before
_HEADER, _ENTRY, _INLINE, _LINK = 8, 12, 4, 4  # bytes of the header, an entry, the values in it, a link
_MOST_SHORT = 65_535
_MOST_DIRECTORIES = 16  # four are usual
_CODES = {SHORT: "H", LONG: "I", 5: "I", 12: "d"}  # of struct, by type; a RATIONAL, 5, is two numbers

_Range = tuple[int, int]


def without_prefix(block: bytes) -> bytes:
    """Return EXIF from the header of TIFF on; b"" if it has none."""
    starts = [place for header in _HEADERS if (place := block.find(header, 0, _FURTHEST_HEADER)) >= 0]
    return block[min(starts) :] if starts else b""


def orientation(block: bytes) -> int | None:
    """Return the orientation that EXIF says, 1 (upright) to 8; None if it says none, or an unknown one."""
    return _Patch(without_prefix(block)).orientation()


def patched(block: bytes, geometry: Geometry, *, remove_location: bool) -> tuple[bytes, list[str]]:
    """Make EXIF say that the picture is upright, of the size of `geometry` and without thumbnail; also return warnings.

    block: as a JPEG, PNG, WebP, AVIF or HEIC holds it; the result begins with the header of TIFF, and is empty if the
    block is broken. remove_location: leave out the GPS directory and all tags but those that say nothing of the place;
    maker notes go too.
    """
    if not block:
        return b"", []
    found = without_prefix(block)
    try:
        check_directories(found, "it")
    except LimitError:
        return b"", ["dropped its EXIF, whose tags are larger than itself"]
    return _Patch(found).run(geometry, remove_location)


def lost(tags: Iterable[int]) -> list[str]:
    """Return the warning that belongs to tags which are left out because the picture is another one now."""
    return ["dropped its Photoshop layers, which show the smaller picture"] if PHOTOSHOP_LAYERS in tags else []


def _number(tag: int, geometry: Geometry) -> int | None:
    """Return the value of a tag that follows the picture whatever it was; None of others."""
    if tag in WIDTHS or tag in HEIGHTS:
        return round(geometry.target[tag in HEIGHTS])
    return 1 if tag == ORIENTATION else None


def _followed(tag: int, values: Sequence[float], geometry: Geometry) -> Sequence[float]:
    """Return the values of a tag that counts pixels as they are afterwards; nothing if they are malformed."""
    scale = round(geometry.scale[0])  # of both sides; a type of whole numbers takes no other
    if tag in SUBJECTS:
        return geometry.subject(values) if 2 <= len(values) <= 4 else ()
    if tag == TIE_POINTS:  # of six numbers each: column, row and height in the picture, then on earth
        return [value * scale if n % 6 < 2 else value for n, value in enumerate(values)]
    if tag == PIXEL_SCALE:
        return [*(value / scale for value in values[:2]), *values[2:]]
    return [value * scale if n == 0 else value for n, value in enumerate(values)]


_FOLLOWING = SUBJECTS | FOCAL_PLANE_RESOLUTIONS | {PIXEL_SCALE, TIE_POINTS}


class _Patch:
    """The patching of one block: `_old` is read, `_new` written."""

    def __init__(self, block: bytes) -> None:
        self._old, self._new, self._layout = block, bytearray(block), layout_of(block)
        self._first = number(block, self._layout.first, self._layout.pointer, self._layout)
        self._structure = list[_Range]()  # header and directories, which no value may overlap

    def orientation(self) -> int | None:
        """Return the orientation that the first directory says."""
        entries = [entry for directory in self._below([self._first], set()) for entry in directory.entries]
        said = [self._numbers(entry) for entry in entries if entry.tag == ORIENTATION]
        return next((int(values[0]) for values in said if values and values[0] in ORIENTATIONS), None)

    def run(self, geometry: Geometry, remove_location: bool) -> tuple[bytes, list[str]]:
        """Return the block afterwards, and warnings."""
        if self._old[self._first : self._first + 2] == b"\0\0":  # no entries
            return b"", []
        kept = self._below([self._first], POINTERS - {GPS_POINTER} if remove_location else POINTERS)
        self._structure = [(0, _HEADER), *((directory.place, directory.end) for directory in kept)]
        if not kept or any(before[1] > after[0] for before, after in pairwise(sorted(self._structure))):
            return b"", ["dropped its EXIF, whose directories are broken"]
        edits, places = dict[Entry, list[tuple[int, bytes]]](), {directory.place for directory in kept}
        for directory in reversed(kept):  # those below first: the pointer to an empty one goes
            allowed = [entry for entry in directory.entries if self._may_stay(entry, places, remove_location)]
            found = {entry: changes for entry in allowed if (changes := self._edits(entry, geometry)) is not None}
            edits |= found
            places -= set() if found else {directory.place}
        gone = [entry for directory in kept for entry in directory.entries if entry not in edits]
        tags = {entry.tag for entry in gone}
        unsure = remove_location and tags - PLACELESS - PIXELS - {GPS_POINTER}
        secrets = ["dropped its maker notes and free text with the location, which they may name"] if unsure else []
        warnings = [*lost(tags), *secrets]
        if self._first not in places:
            return b"", warnings
        kept = [directory for directory in kept if directory.place in places]
        outside = (entry for entry in edits if entry.length > _INLINE and _number(entry.tag, geometry) is None)
        values = list(_values(outside))
        start, end = self._blank(kept, gone, values, remove_location)
        for place, value in chain.from_iterable(edits.values()):
            self._new[place : place + len(value)] = value
        ends = [self._close_up(directory, [e for e in directory.entries if e in edits]) for directory in kept]
        if end >= len(self._old):
            del self._new[max(start, *ends, *(end for _, end in values)) :]
        return bytes(self._new), warnings

    def _below(self, places: list[int], pointers: Set[int], known: Iterable[Directory] = ()) -> list[Directory]:
        """Read the whole directories at these places, and those that `pointers` in them point at, without the known."""
        seen, found = {directory.place for directory in known}, list[Directory]()
        for place in places:  # which grow
            if place in seen or place < _HEADER or len(found) == _MOST_DIRECTORIES:
                continue
            seen.add(place)
            if (directory := read_directory(self._old, place, self._layout)).is_whole:
                found.append(directory)
                places += self._targets(directory.entries, pointers)
        return found

    def _targets(self, entries: Iterable[Entry], pointers: Set[int]) -> list[int]:
        return [directory_at(self._old, entry, self._layout) for entry in entries if entry.tag in pointers]

    def _numbers(self, entry: Entry) -> tuple[float, ...]:
        """Return the values of an entry of numbers; none if they lie outside of the block or in a directory."""
        end, code = entry.values + entry.length, _CODES.get(entry.kind)
        overlap = entry.length > _INLINE and any(entry.values < b and a < end for a, b in self._structure)
        if code is None or overlap or end > len(self._old):
            return ()
        return tuple(value for (value,) in struct.iter_unpack(self._layout.order + code, self._old[entry.values : end]))

    def _may_stay(self, entry: Entry, places: Set[int], remove_location: bool) -> bool:
        if entry.tag in POINTERS and directory_at(self._old, entry, self._layout) not in places:
            return False
        return entry.tag not in PIXELS and (entry.tag in PLACELESS or not remove_location)

    def _edits(self, entry: Entry, geometry: Geometry) -> list[tuple[int, bytes]] | None:
        """Return places and bytes that change with the picture; None if the entry is malformed and goes."""
        if (value := _number(entry.tag, geometry)) is not None:
            return [self._single(entry, value)]
        if entry.tag not in _FOLLOWING:
            return []
        try:
            values = _followed(entry.tag, self._numbers(entry), geometry)
            content = struct.pack(self._layout.order + _CODES[entry.kind] * len(values), *values)
        except (KeyError, ValueError, OverflowError, struct.error):  # no numbers, or too large for their type
            return None
        return [(entry.values, content)] if content else None

    def _single(self, entry: Entry, value: int) -> tuple[int, bytes]:
        """Return place and bytes of an entry that is one number, of a type that holds it."""
        kind = SHORT if entry.kind != LONG and value <= _MOST_SHORT else LONG
        content = struct.pack(self._layout.order + _CODES[kind], value)
        if (entry.kind, entry.amount) == (kind, 1):
            return entry.values, content
        return entry.place + 2, struct.pack(self._layout.order + "HI", kind, 1) + content.ljust(_INLINE, b"\0")

    def _blank(self, kept: list[Directory], gone: list[Entry], values: list[_Range], remove_location: bool) -> _Range:
        """Overwrite with zeros what is pointed at no more, but nothing that is kept as well; return the last range."""
        link = kept[0].end
        if remove_location:
            blank, places = [(0, len(self._old))], self._targets(gone, {GPS_POINTER})
            secret = [*_values(gone), *_ranges(self._below(places, set(), kept))]
        else:
            thumbnails = self._below([number(self._old, link, "I", self._layout)], POINTERS, kept)
            blank, secret = [*_values(gone), *_ranges(thumbnails), *self._pixels(thumbnails)], []
        blank = _union([*blank, (link, link + _LINK)])
        self._fill(blank, bytes(len(self._old)))
        self._fill(_union(values), self._old)
        self._fill(_union(secret), bytes(len(self._old)))
        self._fill([(0, _HEADER), *((directory.place, directory.end) for directory in kept)], self._old)
        return blank[-1]

    def _fill(self, ranges: Iterable[_Range], content: bytes) -> None:
        for start, end in ranges:
            self._new[start:end] = content[start:end]

    def _pixels(self, thumbnails: Iterable[Directory]) -> Iterator[_Range]:
        for directory in thumbnails:
            entries = {entry.tag: entry for entry in directory.entries}
            for places, lengths in THUMBNAILS.items():
                if places in entries and lengths in entries:
                    pairs = zip(self._numbers(entries[places]), self._numbers(entries[lengths]), strict=False)
                    yield from ((int(place), int(place + length)) for place, length in pairs)

    def _close_up(self, directory: Directory, entries: list[Entry]) -> int:
        """Write these entries of a directory one behind another, then zeros; return the end of its link."""
        content = struct.pack(self._layout.order + "H", len(entries))
        content += b"".join(self._new[entry.place : entry.place + _ENTRY] for entry in entries)
        self._new[directory.place : directory.end] = content.ljust(directory.end - directory.place, b"\0")
        return directory.place + len(content) + _LINK


def _values(entries: Iterable[Entry]) -> Iterator[_Range]:
    return ((entry.values, entry.values + entry.length) for entry in entries)


def _ranges(directories: Iterable[Directory]) -> Iterator[_Range]:
    for directory in directories:
        yield directory.place, directory.end + _LINK
        yield from _values(directory.entries)


def _union(ranges: Iterable[_Range]) -> list[_Range]:
    """Return ranges that do not overlap, in order: any number may cover the same bytes."""
    union = list[_Range]()
    for start, end in sorted(ranges):
        if union and start <= union[-1][1]:
            union[-1] = union[-1][0], max(end, union[-1][1])
        else:
            union.append((start, end))
    return union
