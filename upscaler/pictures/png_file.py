"""The chunks of a PNG file: where they are, whether they are sound, and new ones put between them.

Format: "Portable Network Graphics", third edition, W3C 2025.
"""

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TIME, EXIF = b"tIME", b"eXIf"
CODE_POINTS, PROFILE, INTENT, GAMMA, CHROMATICITIES = b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"
SPACE = {CODE_POINTS, PROFILE, INTENT, GAMMA, CHROMATICITIES}  # of colour
COLOUR = SPACE | {b"mDCV", b"cLLI"}  # before the pixels, once each

_FRAMES = (b"acTL", b"fcTL", b"fdAT")  # of an animation
_LENGTHS = {CODE_POINTS: 4, INTENT: 1, GAMMA: 4, CHROMATICITIES: 32, b"mDCV": 24, b"cLLI": 8, TIME: 7, b"pHYs": 9}
_MOST_CHUNKS = 1_000_000  # in a file; writers make pieces of 8 kB and more
_BLOCK = 16_000_000  # bytes that are moved at once


class PngError(ValueError):
    """A file that is no PNG, or has no pixels or no end."""


@dataclass(frozen=True)
class Chunk:
    """A chunk's type and data."""

    kind: bytes
    data: bytes

    @property
    def written(self) -> bytes:
        """The chunk as in a file."""
        crc = zlib.crc32(self.kind + self.data)
        return len(self.data).to_bytes(4, "big") + self.kind + self.data + crc.to_bytes(4, "big")


@dataclass(frozen=True)
class Head:
    """Beginning of a chunk in a file: its kind, the place of its length, and the length of its data."""

    kind: bytes
    place: int
    length: int

    @property
    def end(self) -> int:
        """Place behind the chunk."""
        return self.place + 12 + self.length

    @property
    def name(self) -> str:
        """Its kind in messages."""
        return self.kind.decode("ascii", "replace")


def heads(file: BinaryIO) -> Iterator[Head]:
    """Yield where each chunk begins, up to the end of the picture or of the file. Raises PngError if it is no PNG."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(8) != SIGNATURE:
        raise PngError("it is no PNG")
    place = 8
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        start = file.read(8)
        head = Head(start[4:], place, int.from_bytes(start[:4], "big"))
        if len(start) < 8 or head.end > size:
            return
        yield head
        if head.kind == b"IEND":
            return
        place = head.end


def first_chunk(file: BinaryIO, kind: bytes) -> bytes:
    """Return the data of the first chunk of a kind; b"" if there is none. Raises PngError if the file is no PNG."""
    for head in heads(file):
        if head.kind == kind:
            return data_of(file, head)
    return b""


def data_of(file: BinaryIO, head: Head) -> bytes:
    """Return the data of a chunk."""
    file.seek(head.place + 8)
    return file.read(head.length)


def is_beside(head: Head) -> bool:
    """Return True for a chunk without which the pixels can be read: its kind begins with a small letter."""
    return head.kind[:1].islower() and head.kind not in _FRAMES


def fault_of(file: BinaryIO, head: Head) -> str:
    """Return a clause on the damage of a chunk; "" if there is none."""
    checksum, left = zlib.crc32(head.kind), head.length
    file.seek(head.place + 8)
    while left > 0:
        checksum, left = zlib.crc32(file.read(min(left, _BLOCK)), checksum), left - _BLOCK
    if checksum != int.from_bytes(file.read(4), "big"):
        return "whose checksum is wrong"
    return "" if head.length == _LENGTHS.get(head.kind, head.length) else "which is damaged"


def insert_chunks(file: BinaryIO, chunks: Iterable[Chunk]) -> None:
    """Put chunks into a PNG that can be read and written: colour at the head, in place of the same kind; the rest last.

    Raises PngError.
    """
    chunks = list(chunks)
    colour = [chunk for chunk in chunks if chunk.kind in COLOUR]
    _append(file, [chunk for chunk in chunks if chunk.kind not in COLOUR])
    if colour:
        _replace_in_head(file, colour)


def _append(file: BinaryIO, chunks: list[Chunk]) -> None:
    """Put chunks before the end."""
    last = next((head for head in heads(file) if head.kind == b"IEND"), None)
    if last is None:
        raise PngError("it has no end")
    file.seek(last.place)
    file.write(b"".join(chunk.written for chunk in [*chunks, Chunk(b"IEND", b"")]))
    file.truncate()


def _replace_in_head(file: BinaryIO, chunks: list[Chunk]) -> None:
    """Write all that comes before the pixels again, with chunks right behind IHDR."""
    kinds = {chunk.kind for chunk in chunks}
    kept, end = [], 0
    for head in heads(file):
        if head.kind == b"IDAT":
            end = head.place
            break
        file.seek(head.place)
        kept.append((head.kind, file.read(head.end - head.place)))
    if not end or kept[0][0] != b"IHDR":
        raise PngError("it has no pixels")
    others = [whole for kind, whole in kept[1:] if kind not in kinds]
    start = b"".join([SIGNATURE, kept[0][1], *(chunk.written for chunk in chunks), *others])
    _move_tail(file, end, len(start) - end)
    file.seek(0)
    file.write(start)


def _move_tail(file: BinaryIO, start: int, distance: int) -> None:
    """Move what begins at `start`, block by block, so that none is overwritten before it is read."""
    size = file.seek(0, os.SEEK_END)
    places = range(start, size, _BLOCK)
    for place in reversed(places) if distance > 0 else places:
        file.seek(place)
        block = file.read(min(_BLOCK, size - place))
        file.seek(place + distance)
        file.write(block)
    file.seek(size + distance)
    file.truncate()
