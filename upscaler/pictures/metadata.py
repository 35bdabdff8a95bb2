"""Metadata of picture files: EXIF, XMP, colour profile and resolution, read and corrected for the upscaled picture."""

import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngImageFile

from upscaler.pictures import xmp
from upscaler.pictures.directories import check_exif

_EXIF, _GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
_BASE = ExifTags.Base
# TIFF tags of pixel storage, resolution, XMP and profile, which each writer sets itself
_STORAGE = {
    *range(254, 260),
    *(262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 282, 283, 284, 288, 289, 292, 293, 296, 297),
    *range(317, 326),
    *range(330, 348),
    *range(512, 522),
    *(529, 530, 531, 532, 700, 33723, 34377, 34675),
}
_LONGEST_PROFILE = 5_000_000  # bytes; printer profiles have 3 million
_MOST_DPI = 65_535  # the largest value of a JPEG

Value = TypeVar("Value")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metadata:
    """EXIF, XMP and ICC profile as bytes (empty: none); dpi: horizontal and vertical dots per inch."""

    exif: bytes = b""
    xmp: bytes = b""
    profile: bytes = b""
    dpi: tuple[float, float] | None = None


def read_metadata(image: Image.Image, path: Path) -> Metadata:
    """Read the metadata of an opened file, without tags of pixel storage and orientation.

    Unreadable metadata is dropped with a warning: pixels never depend on it.
    """
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    profile = image.info.get("icc_profile") or b""
    return Metadata(
        exif=_unless_broken(path, "EXIF", lambda: _exif_bytes(_exif(image)), b""),
        xmp=packet.encode() if isinstance(packet, str) else packet,
        profile=_unless_broken(path, "colour profile", lambda: _checked_profile(profile), b""),
        dpi=_unless_broken(path, "resolution", lambda: _checked_dpi(image.info.get("dpi")), None),
    )


def orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 (upright) to 8; 1 if the EXIF is broken."""
    try:
        found = _exif(image).get(_BASE.Orientation, 1)
    except Exception:  # Pillow's EXIF reader raises many types
        return 1
    return found if found in range(1, 9) else 1


def corrected(metadata: Metadata, path: Path, width: int, height: int, *, remove_location: bool) -> Metadata:
    """Update the picture's size in EXIF and XMP, set XMP's orientation to upright, and optionally drop the location.

    EXIF or XMP that cannot be edited is dropped with a warning that names `path`.
    """
    return Metadata(
        exif=_unless_broken(path, "EXIF", lambda: _corrected_exif(metadata, width, height, remove_location), b""),
        xmp=_unless_broken(path, "XMP", lambda: _corrected_xmp(metadata.xmp, width, height, remove_location), b""),
        profile=metadata.profile,
        dpi=metadata.dpi,
    )


def _corrected_exif(metadata: Metadata, width: int, height: int, remove_location: bool) -> bytes:
    exif = loaded_exif(metadata)
    details = exif.get_ifd(_EXIF)
    for tag, length in ((_BASE.ExifImageWidth, width), (_BASE.ExifImageHeight, height)):
        if tag in details:
            details[tag] = length
    if remove_location:
        exif.pop(_GPS, None)
        return _exif_bytes(exif)
    return exif.tobytes() if len(exif) else b""


def _corrected_xmp(packet: bytes, width: int, height: int, remove_location: bool) -> bytes:
    values = {
        (xmp.TIFF, "Orientation"): "1",
        (xmp.TIFF, "ImageWidth"): str(width),
        (xmp.TIFF, "ImageLength"): str(height),
        (xmp.EXIF, "PixelXDimension"): str(width),
        (xmp.EXIF, "PixelYDimension"): str(height),
    }
    return xmp.edited(packet, values, remove_location=remove_location)


def _unless_broken(path: Path, kind: str, read: Callable[[], Value], otherwise: Value) -> Value:
    try:
        return read()
    except Exception as error:  # Pillow's EXIF reader raises many types
        _log.warning("%s: dropped its %s, which cannot be read (%s)", path, kind, error)
        return otherwise


def _checked_profile(profile: bytes) -> bytes:
    if len(profile) > _LONGEST_PROFILE:
        raise ValueError(f"it has {len(profile):,} bytes, more than {_LONGEST_PROFILE:,}")
    if profile:
        ImageCms.ImageCmsProfile(BytesIO(profile))
    return profile


def _checked_dpi(dpi: tuple[float, float] | None) -> tuple[float, float] | None:
    if not dpi:
        return None
    across, down = float(dpi[0]), float(dpi[1])
    return (across, down) if all(math.isfinite(side) and 0 < side <= _MOST_DPI for side in (across, down)) else None


def loaded_exif(metadata: Metadata) -> Image.Exif:
    """Parse the EXIF into Pillow's dictionary."""
    exif = Image.Exif()
    exif.load(metadata.exif)
    return exif


def _exif(image: Image.Image) -> Image.Exif:
    """Return the EXIF of an opened file; Pillow would decode a PNG's pixels first, to find EXIF after them."""
    if isinstance(image, PngImageFile) and "exif" not in image.info:
        image.info["exif"] = _png_chunk(Path(os.fsdecode(image.filename)), b"eXIf")
    check_exif(image.info.get("exif", b""), "it")
    return Image.Image.getexif(image) if isinstance(image, PngImageFile) else image.getexif()


def _png_chunk(path: Path, kind: bytes) -> bytes:
    with path.open("rb") as file:
        file.seek(8)  # after the signature
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[:4], "big")
            if head[4:] == kind:
                return file.read(length)
            file.seek(length + 4, os.SEEK_CUR)
    return b""


def _exif_bytes(exif: Image.Exif) -> bytes:
    cleaned = Image.Exif()
    for tag, value in exif.items():
        if tag not in _STORAGE and tag not in (_BASE.Orientation, _EXIF, _GPS):
            cleaned[tag] = value
    for directory in (_EXIF, _GPS):
        if directory in exif and (entries := dict(exif.get_ifd(directory))):
            entries.pop(ExifTags.IFD.Interop, None)  # an offset into the source file
            cleaned[directory] = entries
    return cleaned.tobytes() if len(cleaned) else b""
