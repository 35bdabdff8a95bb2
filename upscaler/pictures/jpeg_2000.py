"""JPEG 2000: bounds on its code stream before a decoder opens it, and the boxes of its metadata.

Formats: ITU-T T.800 (the stream, JP2) and T.801 (JPX). OpenJPEG allocates by the numbers of the stream's headers: for
each tile, precinct, layer and code block, most of which may be empty.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from upscaler.errors import LimitError, PictureError
from upscaler.pictures.content import Content

JP2_SIGNATURE, STREAM_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"

_SIZ, _COD, _COC, _SOT, _SOD, _EOC = 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93, 0xFFD9
_MOST_TILES = 4096  # OpenJPEG takes 7 kB for each, empty or not
_MOST_CELLS = 2_000_000  # layers of precincts of all components and resolutions
_LEAST_BLOCK = 8  # exponent of its area: 16x16; OpenJPEG takes 300 bytes for each
_MOST_PARTS = 1_000_000  # boxes, or segments of the stream
_HEADER_BOX, _COLOUR_BOX, _STREAM_BOX, _UUID_BOX = b"jp2h", b"colr", b"jp2c", b"uuid"
_EXIF_ID = b"JpgTiffExif->JP2"
_XMP_ID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_BY_NUMBER, _BY_PROFILE = 1, (2, 3)  # methods of the colour box
_KNOWN_COLOURS = {0, 12, 15, 16, 17, 18}  # bilevel, CMYK, bilevel, sRGB, gray, sYCC


@dataclass(frozen=True)
class Box:
    """A box of a JP2: its kind and where its data lie."""

    kind: bytes
    start: int
    end: int


@dataclass(frozen=True)
class Stream:
    """Facts of a code stream's header. depths: bits of each component; reversible: without losses."""

    width: int
    height: int
    depths: tuple[int, ...]
    tiles: int
    reversible: bool

    @property
    def components(self) -> int:
        """Number of components: the channels, or an index of a palette."""
        return len(self.depths)


def is_jpeg_2000(start: bytes) -> bool:
    """Return True if a file begins as a JP2, JPX or code stream."""
    return start.startswith((JP2_SIGNATURE, STREAM_SIGNATURE))


def check_stream(content: Content, name: str) -> Stream:
    """Read the header of the code stream. Raises LimitError if decoding it could take far more memory than its pixels.

    Also PictureError if it is cut off, or its colours are of an unknown kind.
    """
    try:
        _check_colours(content, name)
        return _Checker(content, name).stream()
    except (struct.error, IndexError, StopIteration) as error:
        raise PictureError(f"{name} is a JPEG 2000 that is cut off; download or export it again") from error


def information(content: Content) -> dict[str, Any]:
    """Return EXIF, XMP and ICC profile of a JP2 by Pillow's names, the bits of its components, and if it has no losses.

    bit_depth: the most. depths: of each.
    """
    stream = check_stream(content, "the picture")
    found: dict[str, Any] = {
        "bit_depth": max(stream.depths),
        "depths": stream.depths,
        "reversible": stream.reversible,
    }
    for box in boxes(content, 0, len(content)):
        if box.kind == _UUID_BOX:
            identity, data = content[box.start : box.start + 16], content[box.start + 16 : box.end]
            if identity in (_EXIF_ID, _XMP_ID):
                found.setdefault("exif" if identity == _EXIF_ID else "xmp", data)
        elif box.kind == _HEADER_BOX:
            for colour in _colour_boxes(content, box):
                if content[colour.start] in _BY_PROFILE:
                    found.setdefault("icc_profile", content[colour.start + 3 : colour.end])
    return found


def with_metadata(jp2: bytes, exif: bytes, xmp: bytes, profile: bytes) -> bytes:
    """Return a JP2 with EXIF and XMP before its code stream, and a profile as its colours."""
    pieces = []
    for box in boxes(jp2, 0, len(jp2)):
        data = jp2[box.start : box.end]
        if box.kind == _HEADER_BOX and profile:
            own = [part for part in boxes(jp2, box.start, box.end) if part.kind != _COLOUR_BOX]
            data = b"".join(_box(part.kind, jp2[part.start : part.end]) for part in own)
            data += _box(_COLOUR_BOX, b"\2\0\0" + profile)
        if box.kind == _STREAM_BOX:
            pieces += [_box(_UUID_BOX, name + block) for name, block in ((_EXIF_ID, exif), (_XMP_ID, xmp)) if block]
        pieces.append(_box(box.kind, data))
    return b"".join(pieces)


def boxes(content: Content, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two places; a code stream without boxes, or with broken ones, has none."""
    for _ in range(_MOST_PARTS):
        if start + 8 > end:
            return
        length, kind = struct.unpack_from(">I4s", content, start)
        header = 8
        if length == 1 and start + 16 <= end:
            header, length = 16, struct.unpack_from(">Q", content, start + 8)[0]
        elif length == 0:
            length = end - start
        if length < header or start + length > end:
            return
        yield Box(kind, start + header, start + length)
        start += length


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(data), kind) + data


def _colour_boxes(content: Content, header: Box) -> Iterator[Box]:
    return (box for box in boxes(content, header.start, header.end) if box.kind == _COLOUR_BOX and box.end > box.start)


def _check_colours(content: Content, name: str) -> None:
    for header in boxes(content, 0, len(content)):
        colours = list(_colour_boxes(content, header)) if header.kind == _HEADER_BOX else []
        named = [box for box in colours if content[box.start] == _BY_NUMBER]
        numbers = [struct.unpack_from(">3xI", content, box.start)[0] for box in named]
        if numbers and len(numbers) == len(colours) and not _KNOWN_COLOURS & set(numbers):
            raise PictureError(
                f"{name} is a JPEG 2000 whose colours are of the unsupported kind {numbers[0]}; export it in sRGB"
            )


class _Checker:
    """One pass over the segments of a code stream, from tile part to tile part."""

    def __init__(self, content: Content, name: str) -> None:
        self._content, self._name = content, name
        self._place = 0
        if content[:4] != STREAM_SIGNATURE:
            self._place = next(box.start for box in boxes(content, 0, len(content)) if box.kind == _STREAM_BOX)

    def stream(self) -> Stream:
        self._place += 2
        stream = self._size()
        reversible = True
        for _ in range(_MOST_PARTS):
            if self._place + 4 > len(self._content):
                break
            marker, length = struct.unpack_from(">HH", self._content, self._place)
            if marker == _EOC:
                break
            if marker in (_COD, _COC):
                reversible &= self._coding(stream, marker)
            self._place = self._tile_part() if marker == _SOT else self._place + 2 + length
        return replace(stream, reversible=reversible)

    def _size(self) -> Stream:
        segment = struct.unpack_from(">HHHIIIIIIIIH", self._content, self._place)
        marker, length, _, right, bottom, left, top, *tile, amount = segment
        width, height = right - left, bottom - top
        if marker != _SIZ or min(width, height, *tile[:2], amount) < 1 or tile[2] > left or tile[3] > top:
            raise PictureError(f"{self._name} is a JPEG 2000 with a broken header; download or export it again")
        across, down = -(-(right - tile[2]) // tile[0]), -(-(bottom - tile[3]) // tile[1])
        if across * down > _MOST_TILES:
            raise LimitError(
                f"{self._name} is a JPEG 2000 of {across * down:,} tiles, more than {_MOST_TILES:,}; "
                "export it with larger ones"
            )
        depths = tuple((self._content[self._place + 40 + 3 * n] & 0x7F) + 1 for n in range(amount))
        self._place += 2 + length
        return Stream(width, height, depths, across * down, True)

    def _coding(self, stream: Stream, marker: int) -> bool:
        """Check the segment of a coding style; return True if it loses nothing."""
        place = self._place + 4
        wide = 2 if stream.components > 256 else 1
        layers = 1
        if marker == _COD:
            style, _, layers = struct.unpack_from(">BBH", self._content, place)
            place += 5
        else:
            style = self._content[place + wide]
            place += wide + 1
        levels, across, down, _, kernel = struct.unpack_from(">BBBBB", self._content, place)
        if (across & 15) + (down & 15) + 4 < _LEAST_BLOCK:
            raise LimitError(f"{self._name} is a JPEG 2000 with tiny code blocks; export it with blocks of 64x64")
        sizes = self._content[place + 5 : place + 6 + levels] if style & 1 else b"\xff" * (levels + 1)
        cells = sum(_precincts(stream, levels - n, size) for n, size in enumerate(sizes))
        if levels > 32 or cells * layers * stream.components > _MOST_CELLS:
            raise LimitError(
                f"{self._name} is a JPEG 2000 with too many layers or precincts; export it with the usual settings"
            )
        return bool(kernel == 1)

    def _tile_part(self) -> int:
        """Go over the header of a tile part as over the main one; return where the next one begins."""
        length = struct.unpack_from(">I", self._content, self._place + 6)[0]
        return self._place + length if length >= 14 and self._has_no_header() else self._place + 12

    def _has_no_header(self) -> bool:
        return bool(self._content[self._place + 12 : self._place + 14] == struct.pack(">H", _SOD))


def _precincts(stream: Stream, halvings: int, size: int) -> int:
    """Count the precincts of one component and resolution; each tile has one at least."""
    across = -(-stream.width >> halvings >> (size & 15))
    down = -(-stream.height >> halvings >> (size >> 4))
    return across * down + stream.tiles
