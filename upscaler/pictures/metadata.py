"""Metadata of a picture file: read from the source, and updated for the upright, upscaled result."""

import logging
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

from PIL import Image, ImageCms
from PIL.AvifImagePlugin import AvifImageFile
from PIL.PngImagePlugin import PngImageFile

from upscaler.pictures import exif, iptc, tiff_exif, xmp
from upscaler.pictures.directories import Content, check_exif, layout_of, number, read_directory
from upscaler.pictures.exif_tags import ORIENTATION
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.iptc import Iptc, read_iptc
from upscaler.pictures.orientation import ORIENTATIONS
from upscaler.pictures.png_chunks import EXIF, Chunk, Found, first_chunk, read_chunks, read_profile, without_location

IPTC_TAG, _IMAGE_RESOURCES_TAG, _XMP_TAG, _PROFILE_TAG = 33723, 34377, 700, 34675  # of a TIFF
_RESOLUTIONS, _RESOLUTION_UNIT = (282, 283), 296
_INCH, _PER_INCH = 2, {2: 1.0, 3: 2.54}  # units of the resolution
_AVIF_EXIF = 4  # index of EXIF in the decoder's information
_LONGEST_PROFILE = 5_000_000  # bytes; printer profiles have 3 million
_MOST_DPI = 65_535  # the largest value of a JPEG

Value = TypeVar("Value")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metadata:
    """EXIF, XMP and ICC profile as bytes (empty: none), and IPTC.

    dpi: dots per inch, horizontal and vertical. chunks: texts, time and colour of a PNG, for a PNG.
    """

    exif: bytes = b""
    xmp: bytes = b""
    iptc: Iptc = field(default_factory=Iptc)
    profile: bytes = b""
    dpi: tuple[float, float] | None = None
    chunks: tuple[Chunk, ...] = ()


def read_metadata(image: Image.Image, path: Path) -> Metadata:
    """Read the metadata of an opened file that is no TIFF.

    Metadata that cannot be read are dropped with a warning: pixels never depend on metadata.
    """
    found = _unless_broken(path, "texts", lambda: _png_chunks(image, path), Found())
    _warn(path, found.warnings)
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    resources = _iptc(image) or found.profiles.get("iptc", b"")
    profile = image.info.get("icc_profile") or b""
    return Metadata(
        exif=_unless_broken(path, "EXIF", lambda: _exif_of_file(image), b""),
        xmp=packet.encode() if isinstance(packet, str) else packet,
        iptc=_unless_broken(path, "IPTC", lambda: read_iptc(resources, remove_location=False), Iptc()),
        profile=_unless_broken(path, "colour profile", lambda: checked_profile(profile), b""),
        dpi=_unless_broken(path, "resolution", lambda: _checked_dpi(image.info.get("dpi")), None),
        chunks=tuple(found.chunks),
    )


def read_tiff_metadata(content: Content, path: Path) -> Metadata:
    """Read the metadata of the first page of a TIFF, as `read_metadata` does."""
    layout = layout_of(content)
    first = read_directory(content, number(content, layout.first, layout.pointer, layout), layout)
    values = {entry.tag: entry for entry in reversed(first.entries)}

    def value(tag: int) -> bytes:
        entry = values.get(tag)
        return content[entry.values : entry.values + entry.length] if entry else b""

    block, warnings = _unless_broken(path, "EXIF", lambda: tiff_exif.collected(content), (b"", list[str]()))
    _warn(path, warnings)
    resources = value(IPTC_TAG) or value(_IMAGE_RESOURCES_TAG)
    return Metadata(
        exif=block,
        xmp=value(_XMP_TAG),
        iptc=_unless_broken(path, "IPTC", lambda: read_iptc(resources, remove_location=False), Iptc()),
        profile=_unless_broken(path, "colour profile", lambda: checked_profile(value(_PROFILE_TAG)), b""),
        dpi=_unless_broken(path, "resolution", lambda: _checked_dpi(_dpi(value, layout.order)), None),
    )


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; 1 if the EXIF is broken."""
    try:
        found = exif.orientation(_exif_block(image)) or image.getexif().get(
            ORIENTATION, 1
        )  # Pillow reads that of XMP, too
    except Exception:  # Pillow's EXIF reader raises many types
        return 1
    return found if found in ORIENTATIONS else 1


def corrected(metadata: Metadata, path: Path, geometry: Geometry, *, remove_location: bool) -> Metadata:
    """Update sizes, places and orientation in EXIF and XMP for the result, and optionally drop the location.

    Metadata that cannot be edited are dropped with a warning that names `path`.
    """
    size = round(geometry.target[0]), round(geometry.target[1])
    scale = round(geometry.scale[0])
    block, warnings = exif.patched(metadata.exif, size=size, scale=scale, remove_location=remove_location)
    nothing: tuple[bytes, list[str]] = b"", []
    packet, more = _unless_broken(
        path, "XMP", lambda: xmp.followed(metadata.xmp, geometry, remove_location=remove_location), nothing
    )
    _warn(path, warnings + more)
    kept = replace(metadata, exif=block, xmp=packet)
    if not remove_location:
        return kept
    credits = read_iptc(metadata.iptc.resources, remove_location=True)
    return replace(kept, iptc=credits, chunks=tuple(without_location(metadata.chunks)))


def _unless_broken(path: Path, kind: str, read: Callable[[], Value], otherwise: Value) -> Value:
    try:
        return read()
    except Exception as error:  # Pillow's EXIF reader raises many types
        _log.warning("%s: dropped its %s, which cannot be read (%s)", path, kind, error)
        return otherwise


def checked_profile(profile: bytes) -> bytes:
    if len(profile) > _LONGEST_PROFILE:
        raise ValueError(f"it has {len(profile):,} bytes, more than {_LONGEST_PROFILE:,}")
    if profile:
        ImageCms.ImageCmsProfile(BytesIO(profile))
    return profile


def _checked_dpi(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    if not dpi:
        return None
    across, down = float(dpi[0]), float(dpi[1])
    return (across, down) if all(math.isfinite(value) and 0 < value <= _MOST_DPI for value in (across, down)) else None


def _dpi(value: Callable[[int], bytes], order: str) -> tuple[float, float] | None:
    """Return the dots per inch that the tags of a TIFF say."""
    numbers = [value(tag) for tag in _RESOLUTIONS]
    unit = int.from_bytes(value(_RESOLUTION_UNIT)[:2], "little" if order == "<" else "big") or _INCH
    if unit not in _PER_INCH or any(len(fraction) != 8 for fraction in numbers):
        return None
    across, down = (
        numerator / (denominator or math.inf)
        for numerator, denominator in (struct.unpack(order + "II", fraction) for fraction in numbers)
    )
    return across * _PER_INCH[unit], down * _PER_INCH[unit]


def _png_chunks(image: Image.Image, path: Path) -> Found:
    if image.format != "PNG":
        return Found()
    with path.open("rb") as file:
        return read_chunks(file)


def _iptc(image: Image.Image) -> bytes:
    """Return the image resources of a JPEG."""
    segments = [content for name, content in getattr(image, "applist", []) if name == "APP13"]
    return b"".join(content.removeprefix(iptc.HEADER) for content in segments if content.startswith(iptc.HEADER))


def _warn(path: Path, sentences: list[str]) -> None:
    for sentence in sentences:
        _log.warning("%s: %s", path, sentence)


def _exif_of_file(image: Image.Image) -> bytes:
    if isinstance(image, AvifImageFile):  # Pillow re-encodes it if the file itself rotates the pixels
        return image._decoder.get_info()[_AVIF_EXIF] or b""
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
