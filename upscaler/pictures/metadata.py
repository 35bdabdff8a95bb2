"""Metadata of a picture file: read from the source, and updated for the upright, upscaled result."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from PIL import Image
from PIL.AvifImagePlugin import AvifImageFile
from PIL.PngImagePlugin import PngImageFile

from upscaler.pictures import exif, iptc, xmp
from upscaler.pictures.colour_space import Colour, read_colour
from upscaler.pictures.decoding import Source, name_of
from upscaler.pictures.directories import check_exif, exif_of_avif
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.iptc import Iptc, read_iptc
from upscaler.pictures.places import holds_coordinates
from upscaler.pictures.png_chunks import Found, read_chunks, without_location
from upscaler.pictures.png_file import COLOUR, EXIF, Chunk, first_chunk
from upscaler.pictures.png_texts import read_profile
from upscaler.pictures.xmp_attachments import GAIN_MAP

_TURNING = ("AVIF", "HEIF")  # formats that say themselves how the pixels are turned; Pillow puts it into EXIF
_GAIN_MAP_NAME = b"urn:iso:std:iso:ts:21496:-1\0"  # of a JPEG's segment, with or without XMP that says it, too
_MOST_DPI = 65_535  # the largest value of a JPEG

Value = TypeVar("Value")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metadata:
    """EXIF, XMP and ICC profile as bytes (empty: none), and IPTC.

    profile: of the decoded pixels, by whatever the file says its colour; empty for sRGB. hdr: "PQ" or "HLG" if that is
    their curve, for which there is no profile. dpi: dots per inch, horizontal and vertical. chunks: texts, time and
    colour of a PNG, for a PNG. comment: of a JPEG or GIF, for one of these. left_out: sentences on what the file holds
    beside the picture, by other means than XMP.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: Iptc = field(default_factory=Iptc)
    profile: bytes = b""
    hdr: str = ""
    dpi: tuple[float, float] | None = None
    chunks: tuple[Chunk, ...] = ()
    comment: bytes = b""
    left_out: tuple[str, ...] = ()


def read_metadata(image: Image.Image, path: Path) -> Metadata:
    """Read the metadata of an opened file that is no TIFF.

    Metadata that cannot be read are dropped with a warning: pixels never depend on metadata.
    """
    found = unless_broken(path, "texts", lambda: _png_chunks(image, path), Found())
    warn(path, found.warnings)
    resources = _iptc(image) or found.profiles.get("iptc", b"")
    block = unless_broken(path, "EXIF", lambda: _exif_of_file(image), b"")
    colour = read_colour(image, path, block)
    warn(path, colour.warnings)
    return Metadata(
        exif=block,
        xmp=_xmp(image),
        iptc=unless_broken(path, "IPTC", lambda: read_iptc(resources, remove_location=False), Iptc()),
        profile=colour.profile,
        hdr=colour.hdr,
        dpi=unless_broken(path, "resolution", lambda: checked_dpi(image.info.get("dpi")), None),
        chunks=(*(chunk for chunk in found.chunks if chunk.kind not in COLOUR), *colour.chunks),
        comment=_comment(image),
        left_out=(GAIN_MAP,) if _has_gain_map(image) else (),
    )


def shown_colour(image: Image.Image, source: Source) -> Colour:
    """Return the colour space of the pixels of an opened file."""
    return read_colour(image, source, unless_broken(name_of(source), "EXIF", lambda: _exif_of_file(image), b""))


def orientation(image: Image.Image) -> int:
    """Return the orientation by EXIF, or else by XMP, 1 (upright) to 8; 1 if they are broken."""
    try:
        stored = exif.orientation(_exif_block(image))
        if stored is None and image.format not in _TURNING:
            stored = xmp.orientation(_xmp(image))
    except Exception:  # readers of EXIF raise many types
        return 1
    return stored or 1


def corrected(metadata: Metadata, path: Path, geometry: Geometry, *, remove_location: bool) -> Metadata:
    """Update sizes, places and orientation in EXIF and XMP for the result, and optionally drop the location.

    Metadata that cannot be edited are dropped with a warning that names `path`.
    """
    block, warnings = exif.patched(metadata.exif, geometry, remove_location=remove_location)
    nothing: tuple[bytes, list[str]] = b"", []
    packet, more = unless_broken(
        path, "XMP", lambda: xmp.followed(metadata.xmp, geometry, remove_location=remove_location), nothing
    )
    warn(path, dict.fromkeys([*warnings, *more, *metadata.left_out]))
    kept = replace(metadata, exif=block, xmp=packet)
    if not remove_location:
        return kept
    credits = read_iptc(metadata.iptc.resources, remove_location=True)
    comment = b"" if holds_coordinates(metadata.comment.decode("utf-8", "replace")) else metadata.comment
    return replace(kept, iptc=credits, chunks=tuple(without_location(metadata.chunks)), comment=comment)


def unless_broken(path: Path | str, kind: str, read: Callable[[], Value], otherwise: Value) -> Value:
    """Read a kind of metadata; return what stands `otherwise`, with a warning, if it is broken."""
    try:
        return read()
    except Exception as error:  # Pillow's EXIF reader raises many types
        _log.warning("%s: dropped its %s, which cannot be read (%s)", path, kind, error)
        return otherwise


def checked_dpi(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    """Return a resolution if it is one; None otherwise."""
    if not dpi:
        return None
    across, down = float(dpi[0]), float(dpi[1])
    return (across, down) if all(math.isfinite(value) and 0 < value <= _MOST_DPI for value in (across, down)) else None


def _png_chunks(image: Image.Image, path: Path) -> Found:
    if image.format != "PNG":
        return Found()
    with path.open("rb") as file:
        return read_chunks(file)


def _xmp(image: Image.Image) -> bytes:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    return packet.encode() if isinstance(packet, str) else packet


def _iptc(image: Image.Image) -> bytes:
    """Return the image resources of a JPEG."""
    segments = _segments(image, "APP13")
    return b"".join(content.removeprefix(iptc.HEADER) for content in segments if content.startswith(iptc.HEADER))


def _comment(image: Image.Image) -> bytes:
    """Return the comments of a JPEG or GIF."""
    comment: bytes = image.info.get("comment", b"") if image.format == "GIF" else b"\n".join(_segments(image, "COM"))
    return comment


def _has_gain_map(image: Image.Image) -> bool:
    """Return True if a JPEG says that it has a gain map, by ISO 21496-1."""
    return any(content.startswith(_GAIN_MAP_NAME) for content in _segments(image, "APP2"))


def _segments(image: Image.Image, kind: str) -> list[bytes]:
    """Return the content of a JPEG's segments of a kind."""
    return [content for name, content in getattr(image, "applist", []) if name == kind]


def warn(path: Path | str, sentences: Iterable[str]) -> None:
    """Log a warning for each sentence on a file."""
    for sentence in sentences:
        _log.warning("%s: %s", path, sentence)


def _exif_of_file(image: Image.Image) -> bytes:
    if isinstance(image, AvifImageFile):  # Pillow re-encodes it if the file itself rotates the pixels
        return exif_of_avif(image._decoder)
    return _exif_block(image)


def _exif_block(image: Image.Image) -> bytes:
    """Return the EXIF of an opened file; Pillow would decode a PNG's pixels first, to find EXIF after them."""
    if isinstance(image, PngImageFile) and "exif" not in image.info:
        file = cast(BinaryIO, image.fp)  # open until the pixels are decoded
        place = file.tell()
        copy = image.info.get("Raw profile type exif", "")  # from ImageMagick, before the chunk existed
        image.info["exif"] = first_chunk(file, EXIF) or read_profile(copy) or b""
        file.seek(place)
    block: bytes = image.info.get("exif") or b""
    check_exif(block, "it")
    return block
