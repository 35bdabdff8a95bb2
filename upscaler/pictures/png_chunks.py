"""Chunks of a PNG that say something beside its pixels, read to be carried into another PNG."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import BinaryIO

from upscaler.pictures.places import holds_coordinates
from upscaler.pictures.png_file import COLOUR, TIME, Chunk, Head, data_of, fault_of, heads, is_beside
from upscaler.pictures.png_texts import LONGEST_KEYWORD, LONGEST_TEXT, LONGEST_TEXTS, TEXTS, read_profile, text_of

_WANTED = {*TEXTS, *COLOUR, TIME}

_MOST_WANTED = 500
_TOO_MANY = "some of its PNG texts are left out, for there are too many"

_XMP = b"XML:com.adobe.xmp"
_COPY = "raw profile type "  # by which ImageMagick and exiftool put EXIF, IPTC and XMP into a text
# Copies of EXIF and sizes of the small picture, made by ImageMagick and file managers.
_COPIES = (_COPY, "exif:", "thumb::")
# Keywords that name no place: those of the standard, of image generators and of ImageMagick.
_HARMLESS = {
    *("title", "author", "description", "copyright", "creation time", "software", "disclaimer", "warning", "source"),
    *("comment", "parameters", "prompt", "workflow", "date:create", "date:modify", "date:timestamp"),
}


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
    for head in heads(file):
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
        elif is_beside(head) and (fault := fault_of(file, head)):
            collector.warn(f"dropped its PNG chunk {head.name}, {fault}")
    return collector.found


def without_location(chunks: Iterable[Chunk]) -> list[Chunk]:
    """Leave out texts unless their keyword is known to name no place and they have no coordinates."""
    return [chunk for chunk in chunks if chunk.kind not in TEXTS or _is_harmless(chunk)]


class _Collector:
    """Chunks that are whole and within the bounds."""

    def __init__(self) -> None:
        self.found = Found()
        self._bytes = 0  # of texts

    def warn(self, sentence: str) -> None:
        if sentence not in self.found.warnings:
            self.found.warnings.append(sentence)

    def take(self, file: BinaryIO, head: Head) -> None:
        if head.length > LONGEST_TEXT:
            self.warn(f"its PNG chunk {head.name} is left out, for it has {head.length:,} bytes")
            return
        data = data_of(file, head)
        if fault := fault_of(file, head):
            self.warn(f"dropped its PNG chunk {head.name}, {fault}")
        elif head.kind in TEXTS:
            self._take_text(Chunk(head.kind, data))
        elif all(chunk.kind != head.kind for chunk in self.found.chunks):
            self.found.chunks.append(Chunk(head.kind, data))

    def _take_text(self, chunk: Chunk) -> None:
        if chunk.data.startswith(_XMP + b"\0"):
            if text_of(chunk) is None:
                self.warn("dropped its XMP, which is damaged or too long")
            return
        keyword = chunk.data.partition(b"\0")[0][:LONGEST_KEYWORD].decode("latin-1")
        if self._bytes >= LONGEST_TEXTS:
            self.warn(_TOO_MANY)
            return
        text = text_of(chunk)
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


def _is_harmless(chunk: Chunk) -> bool:
    keyword = chunk.data.partition(b"\0")[0].decode("latin-1").strip().lower()
    text = text_of(chunk)
    return keyword in _HARMLESS and text is not None and not holds_coordinates(text)
