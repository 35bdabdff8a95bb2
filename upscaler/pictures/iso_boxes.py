"""The colour that an AVIF or HEIC names beside its pixels; Pillow's reader of AVIF does not tell.

Format: ISO/IEC 14496-12 (boxes) and 23008-12 (properties of items).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_MOST_BOXES = 1000
_LONGEST_META = 4_000_000  # bytes; a picture of a thousand tiles has 50,000
_FULL = 4  # bytes of version and flags
_MOST_NUMBER = 255  # of H.273, though the box has room for more
_HEAD, _LONG_HEAD = 8, 16  # bytes of a box's length and kind


class _Box(NamedTuple):
    kind: bytes
    content: bytes


def nclx_of(file: BinaryIO) -> tuple[int, int] | None:
    """Return the primaries and transfer (ITU-T H.273) that the main picture names by numbers; None if it doesn't."""
    meta = {box.kind: box.content for box in _boxes(_meta(file)[_FULL:])}
    properties = list(_boxes(meta.get(b"iprp", b"")))
    found = list(_boxes(next((box.content for box in properties if box.kind == b"ipco"), b"")))
    main = _main_item(meta.get(b"pitm", b""))
    for box in properties:
        for index in _indices(box.content, main) if box.kind == b"ipma" else ():
            if 0 < index <= len(found) and found[index - 1].kind == b"colr":
                content = found[index - 1].content
                if content[:4] == b"nclx" and len(content) >= 8:
                    primaries, transfer = struct.unpack_from(">HH", content, 4)
                    return (primaries, transfer) if max(primaries, transfer) <= _MOST_NUMBER else None
    return None


def _meta(file: BinaryIO) -> bytes:
    """Return the content of the first box that describes the file's items; b"" if there is none."""
    file.seek(0)
    for _ in range(_MOST_BOXES):
        place = file.tell()
        start = file.read(_LONG_HEAD)
        kind, head, length = _head(start)
        if kind == b"meta":
            file.seek(place + head)
            return file.read(min(length - head, _LONGEST_META) if length else _LONGEST_META)
        if length < head:  # to the end of the file, or broken
            return b""
        file.seek(place + length)
    return b""


def _boxes(content: bytes) -> Iterator[_Box]:
    place = 0
    for _ in range(_MOST_BOXES):
        kind, head, length = _head(content[place : place + _LONG_HEAD])
        length = length or len(content) - place
        if length < head:
            return
        yield _Box(kind, content[place + head : place + length])
        place += length


def _head(start: bytes) -> tuple[bytes, int, int]:
    """Return a box's kind, the bytes of its head and its length with it, 0: to the end; a cut-off one has no length."""
    if len(start) < _HEAD:
        return b"", _HEAD, 1
    length, kind = struct.unpack_from(">I4s", start)
    if length != 1:
        return kind, _HEAD, length
    return kind, _LONG_HEAD, struct.unpack_from(">Q", start, 8)[0] if len(start) == _LONG_HEAD else 1


def _main_item(content: bytes) -> int:
    return int.from_bytes(content[_FULL : _FULL + (4 if content[:1] > b"\0" else 2)], "big")


def _indices(content: bytes, item: int) -> list[int]:
    """Return the numbers of an item's properties, from 1, by a table of such for all items."""
    version, flags = int.from_bytes(content[:1], "big"), int.from_bytes(content[1:_FULL], "big")
    name, index = 4 if version else 2, 2 if flags & 1 else 1
    place = _FULL + 4  # after the number of items
    while place + name < len(content):
        found, amount = int.from_bytes(content[place : place + name], "big"), content[place + name]
        place += name + 1
        if found == item:
            pieces = (content[n : n + index] for n in range(place, place + amount * index, index))
            return [int.from_bytes(piece, "big") & (0x7FFF if index == 2 else 0x7F) for piece in pieces]
        place += amount * index
    return []
