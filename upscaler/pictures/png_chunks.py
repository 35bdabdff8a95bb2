"""Chunks of a PNG that say something beside its pixels, read and put into another PNG at the byte level.

Format: "Portable Network Graphics", third edition, W3C 2025.
"""

import os
import zlib
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from typing import BinaryIO

from upscaler.pictures.places import holds_coordinates

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FRAMES = (b"acTL", b"fcTL", b"fdAT")  # of an animation
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
TIME = b"tIME"
EXIF = b"eXIf"
CODE_POINTS, PROFILE, INTENT, GAMMA, CHROMATICITIES = b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"
_LENGTHS = {CODE_POINTS: 4, INTENT: 1, GAMMA: 4, CHROMATICITIES: 32, b"mDCV": 24, b"cLLI": 8, TIME: 7, b"pHYs": 9}
SPACE = {CODE_POINTS, PROFILE, INTENT, GAMMA, CHROMATICITIES}  # of colour
COLOUR = SPACE | {b"mDCV", b"cLLI"}  # before the pixels, once each
_WANTED = {*TEXTS, *COLOUR, TIME}

_MOST_CHUNKS = 1_000_000  # in a file; writers make pieces of 8 kB and more
_MOST_WANTED = 500
LONGEST_TEXT = 4_000_000  # bytes, packed or not; the graphs of image generators have up to a million
LONGEST_TEXTS = 64_000_000  # together; one that cannot be read counts as the longest, which is what it may cost
_TOO_MANY = "some of its PNG texts are left out, for there are too many"
_BLOCK = 16_000_000  # bytes that are moved at once

_LONGEST_KEYWORD = 79
_XMP = b"XML:com.adobe.xmp"
_COPY = "raw profile type "  # by which ImageMagick and exiftool put EXIF, IPTC and XMP into a text
# Copies of EXIF and sizes of the small picture, made by ImageMagick and file managers.
_COPIES = (_COPY, "exif:", "thumb::")
# Keywords that name no place: those of the standard, of image generators and of ImageMagick.
_HARMLESS = {
    *("title", "author", "description", "copyright", "creation time", "software", "disclaimer", "warning", "source"),
    *("comment", "parameters", "prompt", "workflow", "date:create", "date:modify", "date:timestamp"),
}


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
class _Head:
    """Beginning of a chunk in a file."""

    kind: bytes
    place: int
    length: int

    @property
    def end(self) -> int:
        return self.place + 12 + self.length

    @property
    def name(self) -> str:
        return self.kind.decode("ascii", "replace")


@dataclass
class Found:
    """Chunks that are to be carried, metadata that stood in texts (by name: exif, iptc, xmp), and what is left out.

    warnings: a sentence each on what is damaged, too long or said of the picture before.
    """

    chunks: list[Chunk] = field(default_factory=list)
    profiles: dict[str, bytes] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_chunks(file: BinaryIO, kinds: Set[bytes] = frozenset(_WANTED)) -> Found:
    """Read texts (but XMP), time and colour, or those `kinds` of them.

    Raises PngError if the file is no PNG; one that is cut off gives what comes before.
    """
    collector = _Collector()
    wanted = set(kinds)
    taken = 0
    for head in _heads(file):
        if head.kind == b"IDAT":
            wanted -= COLOUR
            if not wanted:
                break
        elif head.kind in wanted and taken < _MOST_WANTED:
            collector.take(file, head)
            taken += 1
        elif head.kind in wanted:
            collector.warn(_TOO_MANY)
            break
        elif _is_beside(head) and (fault := _fault(file, head)):
            collector.warn(f"dropped its PNG chunk {head.name}, {fault}")
    return collector.found


def first_chunk(file: BinaryIO, kind: bytes) -> bytes:
    """Return the data of the first chunk of a kind; b"" if there is none. Raises PngError if the file is no PNG."""
    for head in _heads(file):
        if head.kind == kind:
            return _data(file, head)
    return b""


def damaged_chunks(file: BinaryIO) -> list[range]:
    """Return the places of chunks that are no pixels and are damaged, or hold or pack too long a text or profile.

    Raises PngError if the file is no PNG.
    """
    found, room = list[range](), LONGEST_TEXTS
    for head in _heads(file):
        if _is_beside(head):
            size = _unpacked_size(file, head, room)
            room -= size
            if size >= LONGEST_TEXT or _fault(file, head):
                found.append(range(head.place, head.end))
    return found


def profile_in(content: bytes) -> bytes:
    """Return the ICC profile in a chunk of that kind; b"" if it is damaged or too long."""
    _, _, packed = content.partition(b"\0")
    return (_unpacked(packed[1:]) if packed[:1] == b"\0" else None) or b""


def without_location(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Leave out texts unless their keyword is known to name no place and they have no coordinates."""
    return [chunk for chunk in chunks if chunk.kind not in TEXTS or _is_harmless(chunk)]


def insert_chunks(file: BinaryIO, chunks: Iterable[Chunk]) -> None:
    """Put chunks into a PNG that can be read and written: colour at the head, in place of the same kind; the rest last.

    Raises PngError.
    """
    chunks = list(chunks)
    colour = [chunk for chunk in chunks if chunk.kind in COLOUR]
    _append(file, [chunk for chunk in chunks if chunk.kind not in COLOUR])
    if colour:
        _replace_in_head(file, colour)


class _Collector:
    """Chunks that are whole and within the bounds."""

    def __init__(self) -> None:
        self.found = Found()
        self._bytes = 0  # of texts

    def warn(self, sentence: str) -> None:
        if sentence not in self.found.warnings:
            self.found.warnings.append(sentence)

    def take(self, file: BinaryIO, head: _Head) -> None:
        if head.length > LONGEST_TEXT:
            self.warn(f"its PNG chunk {head.name} is left out, for it has {head.length:,} bytes")
            return
        data = _data(file, head)
        if fault := _fault(file, head):
            self.warn(f"dropped its PNG chunk {head.name}, {fault}")
        elif head.kind in TEXTS:
            self._take_text(Chunk(head.kind, data))
        elif all(chunk.kind != head.kind for chunk in self.found.chunks):
            self.found.chunks.append(Chunk(head.kind, data))

    def _take_text(self, chunk: Chunk) -> None:
        if chunk.data.startswith(_XMP + b"\0"):
            return
        keyword = chunk.data.partition(b"\0")[0][:_LONGEST_KEYWORD].decode("latin-1")
        if self._bytes >= LONGEST_TEXTS:
            self.warn(_TOO_MANY)
            return
        text = _text(chunk)
        self._bytes += LONGEST_TEXT if text is None else len(text)
        if text is None:
            self.warn(f"its PNG text {keyword!r} is left out, for it is damaged or too long")
        elif keyword.lower().startswith(_COPIES):
            self._take_copy(keyword.lower(), text)
        else:
            self.found.chunks.append(chunk)

    def _take_copy(self, keyword: str, text: str) -> None:
        profile = read_profile(text) if keyword.startswith(_COPY) else None
        if profile is None:
            self.warn("its PNG texts with copies of EXIF are left out, for they are of the picture before")
        else:
            self.found.profiles.setdefault(keyword.removeprefix(_COPY), profile)


def profile_chunk(name: str, content: bytes) -> Chunk:
    """Return metadata for which PNG has no chunk (IPTC) as the text that ImageMagick and exiftool read."""
    text = f"\n{name}\n{len(content):8}\n{content.hex()}\n".encode()
    return Chunk(b"zTXt", f"Raw profile type {name}".encode() + b"\0\0" + zlib.compress(text))


def read_profile(text: str) -> bytes | None:
    """Read metadata that stand in a text: name, length and hexadecimal digits, in lines; None if they don't agree."""
    lines = text.strip("\n").split("\n", 2)
    try:
        length, content = int(lines[1]), bytes.fromhex(lines[2])
    except (IndexError, ValueError):
        return None
    return content if len(content) == length else None


def _is_harmless(chunk: Chunk) -> bool:
    keyword = chunk.data.partition(b"\0")[0].decode("latin-1").strip().lower()
    text = _text(chunk)
    return keyword in _HARMLESS and text is not None and not holds_coordinates(text)


def _text(chunk: Chunk) -> str | None:
    """The text with all that stands beside the keyword, unpacked; None if it is damaged or too long."""
    keyword, zero, rest = chunk.data.partition(b"\0")
    if not zero or not 1 <= len(keyword) <= _LONGEST_KEYWORD:
        return None
    if chunk.kind == b"tEXt":
        return rest.decode("latin-1")
    if chunk.kind == b"zTXt":
        unpacked = _unpacked(rest[1:]) if rest[:1] == b"\0" else None
        return None if unpacked is None else unpacked.decode("latin-1")
    return _international_text(rest)


def _international_text(content: bytes) -> str | None:
    """An iTXt behind its keyword: is it packed, the method, language, keyword in that language, text."""
    language_and_keyword = content[2:].split(b"\0", 2)
    if len(language_and_keyword) < 3 or content[:2] not in (b"\0\0", b"\1\0"):
        return None
    *beside, text = language_and_keyword
    unpacked = _unpacked(text) if content[0] else text
    return None if unpacked is None else b"\n".join([*beside, unpacked]).decode("utf-8", "replace")


def _unpacked(content: bytes) -> bytes | None:
    unpacker = zlib.decompressobj()
    try:
        unpacked = unpacker.decompress(content, LONGEST_TEXT)
    except zlib.error:
        return None
    return unpacked if unpacker.eof else None


def _data(file: BinaryIO, head: _Head) -> bytes:
    file.seek(head.place + 8)
    return file.read(head.length)


def _is_beside(head: _Head) -> bool:
    """Return True for a chunk without which the pixels can be read: its kind begins with a small letter."""
    return head.kind[:1].islower() and head.kind not in _FRAMES


def _fault(file: BinaryIO, head: _Head) -> str:
    """Return a clause on the damage of a chunk; "" if there is none."""
    checksum, left = zlib.crc32(head.kind), head.length
    file.seek(head.place + 8)
    while left > 0:
        checksum, left = zlib.crc32(file.read(min(left, _BLOCK)), checksum), left - _BLOCK
    if checksum != int.from_bytes(file.read(4), "big"):
        return "whose checksum is wrong"
    return "" if head.length == _LENGTHS.get(head.kind, head.length) else "which is damaged"


def _unpacked_size(file: BinaryIO, head: _Head, room: int) -> int:
    """Return the length of a text or profile; `LONGEST_TEXT` if it is damaged or too long, or there is no room."""
    if head.kind not in (*TEXTS, PROFILE):
        return 0
    if head.length > LONGEST_TEXT or room <= 0:
        return LONGEST_TEXT
    data = _data(file, head)
    unpacked = profile_in(data) or None if head.kind == PROFILE else _text(Chunk(head.kind, data))
    return LONGEST_TEXT if unpacked is None else len(unpacked)


def _heads(file: BinaryIO) -> Iterator[_Head]:
    """Yield where each chunk begins, up to the end of the picture or of the file. Raises PngError if it is no PNG."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if file.read(8) != SIGNATURE:
        raise PngError("it is no PNG")
    place = 8
    for _ in range(_MOST_CHUNKS):
        file.seek(place)
        start = file.read(8)
        head = _Head(start[4:], place, int.from_bytes(start[:4], "big"))
        if len(start) < 8 or head.end > size:
            return
        yield head
        if head.kind == b"IEND":
            return
        place = head.end


def _append(file: BinaryIO, chunks: list[Chunk]) -> None:
    """Put chunks before the end."""
    last = next((head for head in _heads(file) if head.kind == b"IEND"), None)
    if last is None:
        raise PngError("it has no end")
    file.seek(last.place)
    file.write(b"".join(chunk.written for chunk in [*chunks, Chunk(b"IEND", b"")]))
    file.truncate()


def _replace_in_head(file: BinaryIO, chunks: list[Chunk]) -> None:
    """Write all that comes before the pixels again, with chunks right behind IHDR."""
    kinds = {chunk.kind for chunk in chunks}
    kept, end = [], 0
    for head in _heads(file):
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
