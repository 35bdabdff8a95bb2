"""What a picture file holds besides pixels, and how it changes when the picture is turned upright and doubled."""

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
# Where and how a TIFF stores its pixels, and what is kept apart (resolution, XMP, profile): each writer sets its own.
_STORAGE = {
    *range(254, 260),
    *(262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 282, 283, 284, 288, 289, 292, 293, 296, 297),
    *range(317, 326),
    *range(330, 348),
    *range(512, 522),
    *(529, 530, 531, 532, 700, 33723, 34377, 34675),
}
_LONGEST_PROFILE = 5_000_000  # bytes; a printer's have 3 million
_MOST_DPI = 65_535  # what a JPEG can say

Value = TypeVar("Value")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Metadata:
    """EXIF, XMP and ICC profile as bytes (empty: none); dpi: dots an inch, horizontal and vertical."""

    exif: bytes = b""
    xmp: bytes = b""
    profile: bytes = b""
    dpi: tuple[float, float] | None = None


def read_metadata(image: Image.Image, path: Path) -> Metadata:
    """Return what an opened file says of itself, without how its pixels are stored or oriented.

    What cannot be read is left out with a warning: pixels never depend on metadata.
    """
    said = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    profile = image.info.get("icc_profile") or b""
    return Metadata(
        exif=_unless_broken(path, "EXIF", lambda: _exif_bytes(_exif(image)), b""),
        xmp=said.encode() if isinstance(said, str) else said,
        profile=_unless_broken(path, "colour profile", lambda: _checked_profile(profile), b""),
        dpi=_unless_broken(path, "resolution", lambda: _checked_dpi(image.info.get("dpi")), None),
    )


def orientation(image: Image.Image) -> int:
    """Return the orientation as EXIF numbers it: 1 (upright) to 8; 1 if the EXIF is broken."""
    try:
        found = _exif(image).get(_BASE.Orientation, 1)
    except Exception:  # Pillow's reader of EXIF raises all sorts
        return 1
    return found if found in range(1, 9) else 1


def corrected(metadata: Metadata, path: Path, width: int, height: int, *, remove_location: bool) -> Metadata:
    """Correct what is said of the picture's size, and in XMP that it is upright; leave out where it was taken.

    What cannot be edited is left out with a warning that names `path`.
    """
    said = metadata.xmp
    return Metadata(
        exif=_unless_broken(path, "EXIF", lambda: _corrected_exif(metadata, width, height, remove_location), b""),
        xmp=_unless_broken(path, "XMP", lambda: _corrected_xmp(said, width, height, remove_location), b""),
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


def _corrected_xmp(said: bytes, width: int, height: int, remove_location: bool) -> bytes:
    values = {
        (xmp.TIFF, "Orientation"): "1",
        (xmp.TIFF, "ImageWidth"): str(width),
        (xmp.TIFF, "ImageLength"): str(height),
        (xmp.EXIF, "PixelXDimension"): str(width),
        (xmp.EXIF, "PixelYDimension"): str(height),
    }
    return xmp.edited(said, values, remove_location=remove_location)


def _unless_broken(path: Path, kind: str, read: Callable[[], Value], otherwise: Value) -> Value:
    try:
        return read()
    except Exception as error:  # Pillow's reader of EXIF raises all sorts
        _log.warning("%s: its %s is left out, for it cannot be read (%s)", path, kind, error)
        return otherwise


def _checked_profile(profile: bytes) -> bytes:
    if len(profile) > _LONGEST_PROFILE:
        raise ValueError(f"it has {len(profile):,} bytes, more than {_LONGEST_PROFILE:,}")
    if profile:
        ImageCms.ImageCmsProfile(BytesIO(profile))
    return profile


def _checked_dpi(said: tuple[float, float] | None) -> tuple[float, float] | None:
    if not said:
        return None
    across, down = float(said[0]), float(said[1])
    return (across, down) if all(math.isfinite(dpi) and 0 < dpi <= _MOST_DPI for dpi in (across, down)) else None


def loaded_exif(metadata: Metadata) -> Image.Exif:
    """The EXIF as Pillow's dictionary."""
    exif = Image.Exif()
    exif.load(metadata.exif)
    return exif


def _exif(image: Image.Image) -> Image.Exif:
    """The EXIF of an opened file, without decoding the pixels, as Pillow would to find a PNG's behind them."""
    if isinstance(image, PngImageFile) and "exif" not in image.info:
        image.info["exif"] = _png_chunk(Path(os.fsdecode(image.filename)), b"eXIf")
    check_exif(image.info.get("exif", b""), "it")
    return Image.Image.getexif(image) if isinstance(image, PngImageFile) else image.getexif()


def _png_chunk(path: Path, kind: bytes) -> bytes:
    with path.open("rb") as file:
        file.seek(8)  # the signature
        while len(head := file.read(8)) == 8:
            length = int.from_bytes(head[:4], "big")
            if head[4:] == kind:
                return file.read(length)
            file.seek(length + 4, os.SEEK_CUR)
    return b""


def _exif_bytes(exif: Image.Exif) -> bytes:
    kept = Image.Exif()
    for tag, value in exif.items():
        if tag not in _STORAGE and tag not in (_BASE.Orientation, _EXIF, _GPS):
            kept[tag] = value
    for directory in (_EXIF, _GPS):
        if directory in exif and (entries := dict(exif.get_ifd(directory))):
            entries.pop(ExifTags.IFD.Interop, None)  # an offset into the file that was read
            kept[directory] = entries
    return kept.tobytes() if len(kept) else b""
