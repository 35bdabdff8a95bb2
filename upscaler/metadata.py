"""What a picture file holds besides pixels, and how it changes when the picture is turned upright and doubled."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngImageFile

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
_XMP_WIDTHS, _XMP_HEIGHTS = ("ImageWidth", "PixelXDimension"), ("ImageLength", "PixelYDimension")
_XMP_LOCATION = re.compile(rb'\s+exif:GPS\w+="[^"]*"|<exif:GPS\w+>.*?</exif:GPS\w+>', re.DOTALL)


@dataclass(frozen=True)
class Metadata:
    """EXIF, XMP and ICC profile as bytes (empty: none); dpi: dots an inch, horizontal and vertical."""

    exif: bytes = b""
    xmp: bytes = b""
    profile: bytes = b""
    dpi: tuple[float, float] | None = None


def read_metadata(image: Image.Image) -> Metadata:
    """What an opened file says of itself, without how its pixels are stored or lie."""
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    dpi = image.info.get("dpi")
    return Metadata(
        exif=_exif_bytes(_exif(image)),
        xmp=xmp.encode() if isinstance(xmp, str) else xmp,
        profile=image.info.get("icc_profile") or b"",
        dpi=(float(dpi[0]), float(dpi[1])) if dpi and min(dpi) > 0 else None,
    )


def orientation(image: Image.Image) -> int:
    """How the picture lies: 1 (upright) to 8, as EXIF numbers it."""
    found = _exif(image).get(_BASE.Orientation, 1)
    return found if found in range(1, 9) else 1


def with_size(metadata: Metadata, width: int, height: int) -> Metadata:
    """Correct what is said of the picture's size, in EXIF and XMP, and in XMP that it lies upright."""
    exif = loaded_exif(metadata)
    details = exif.get_ifd(_EXIF)
    for tag, length in ((_BASE.ExifImageWidth, width), (_BASE.ExifImageHeight, height)):
        if tag in details:
            details[tag] = length
    xmp = _with_xmp_values(metadata.xmp, ("Orientation",), 1)
    xmp = _with_xmp_values(xmp, _XMP_WIDTHS, width)
    xmp = _with_xmp_values(xmp, _XMP_HEIGHTS, height)
    return replace(metadata, exif=exif.tobytes() if len(exif) else b"", xmp=xmp)


def without_location(metadata: Metadata) -> Metadata:
    """Leave out where the photo was taken."""
    exif = loaded_exif(metadata)
    exif.pop(_GPS, None)
    return replace(metadata, exif=_exif_bytes(exif), xmp=_XMP_LOCATION.sub(b"", metadata.xmp))


def loaded_exif(metadata: Metadata) -> Image.Exif:
    """The EXIF as Pillow's dictionary."""
    exif = Image.Exif()
    exif.load(metadata.exif)
    return exif


def _exif(image: Image.Image) -> Image.Exif:
    """The EXIF of an opened file, without decoding the pixels, as Pillow would to find a PNG's behind them."""
    if not isinstance(image, PngImageFile):
        return image.getexif()
    if "exif" not in image.info and (late := _png_chunk(Path(os.fsdecode(image.filename)), b"eXIf")):
        image.info["exif"] = late
    return Image.Image.getexif(image)


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


def _with_xmp_values(xmp: bytes, names: tuple[str, ...], value: int) -> bytes:
    """Set properties that are there, be they attributes or elements."""
    pattern = rf'((?:tiff|exif):(?:{"|".join(names)})(?:="|>))\d+(?=["<])'.encode()
    return re.sub(pattern, rf"\g<1>{value}".encode(), xmp)
