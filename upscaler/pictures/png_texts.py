"""Texts in a PNG, and profiles packed as texts are, read within bounds."""

import zlib

from upscaler.pictures.png_file import Chunk

TEXTS = (b"tEXt", b"zTXt", b"iTXt")
LONGEST_TEXT = 4_000_000  # bytes, packed or not; the graphs of image generators have up to a million
LONGEST_TEXTS = 64_000_000  # together; one that cannot be read counts as the longest, which is what it may cost
LONGEST_KEYWORD = 79


def text_of(chunk: Chunk) -> str | None:
    """Return the text with all that stands beside the keyword, unpacked; None if it is damaged or too long."""
    keyword, zero, rest = chunk.data.partition(b"\0")
    if not zero or not 1 <= len(keyword) <= LONGEST_KEYWORD:
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


def profile_in(content: bytes) -> bytes:
    """Return the ICC profile in a chunk of that kind; b"" if it is damaged or too long."""
    _, _, packed = content.partition(b"\0")
    return (_unpacked(packed[1:]) if packed[:1] == b"\0" else None) or b""


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
