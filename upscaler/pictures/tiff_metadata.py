"""Metadata of a TIFF: EXIF, XMP, IPTC and resolution of its first page, and the colour of each."""

import math
import struct
from pathlib import Path

from upscaler.pictures import tiff_exif
from upscaler.pictures.colour_space import Colour, Means, cmyk_colour, colour_by, converted_colour
from upscaler.pictures.content import Content
from upscaler.pictures.iptc import Iptc, read_iptc
from upscaler.pictures.metadata import Metadata, checked_dpi, unless_broken, warn
from upscaler.pictures.tiff_pages import CMYK, LAB, TiffPage

IPTC_TAG, _IMAGE_RESOURCES_TAG, _XMP_TAG, _PROFILE_TAG = 33723, 34377, 700, 34675
_RESOLUTIONS, _RESOLUTION_UNIT = (282, 283), 296
_INCH, _PER_INCH = 2, {2: 1.0, 3: 2.54}  # units of the resolution


def read_tiff_metadata(content: Content, path: Path, pages: list[TiffPage]) -> Metadata:
    """Read the metadata of a TIFF. Those that cannot be read are dropped with a warning."""
    block, warnings = unless_broken(path, "EXIF", lambda: tiff_exif.collected(content), (b"", list[str]()))
    colours = [colour_of(content, page, block if n == 0 else b"") for n, page in enumerate(pages)]
    warn(path, [*warnings, *dict.fromkeys(sentence for colour in colours for sentence in colour.warnings)])
    resources = _value(content, pages[0], IPTC_TAG) or _value(content, pages[0], _IMAGE_RESOURCES_TAG)
    return Metadata(
        exif=block,
        xmp=_value(content, pages[0], _XMP_TAG),
        iptc=unless_broken(path, "IPTC", lambda: read_iptc(resources, remove_location=False), Iptc()),
        profile=colours[0].profile,
        dpi=unless_broken(path, "resolution", lambda: checked_dpi(_dpi(content, pages[0])), None),
    )


def colour_of(content: Content, page: TiffPage, exif: bytes) -> Colour:
    """Return the colour space of the decoded pixels of a page. exif: its own, which only the first one has."""
    profile = _value(content, page, _PROFILE_TAG)
    if page.photometric == LAB:
        return converted_colour("Lab colours to sRGB", exif)
    if page.photometric == CMYK:
        return cmyk_colour(profile, exif)
    return colour_by(Means(page.decoded.channels < 3, profile, exif=exif))


def _value(content: Content, page: TiffPage, tag: int) -> bytes:
    """Return the bytes of a tag's values; b"" if there are none."""
    found = next((entry for entry in page.directory.entries if entry.tag == tag), None)
    return content[found.values : found.values + found.length] if found else b""


def _dpi(content: Content, page: TiffPage) -> tuple[float, float] | None:
    """Return the dots per inch, if the tags say them."""
    order = page.layout.order
    fractions = [_value(content, page, tag) for tag in _RESOLUTIONS]
    unit = int.from_bytes(_value(content, page, _RESOLUTION_UNIT), "little" if order == "<" else "big") or _INCH
    if unit not in _PER_INCH or any(len(fraction) != 8 for fraction in fractions):
        return None
    across, down = (_quotient(*struct.unpack(order + "II", fraction)) * _PER_INCH[unit] for fraction in fractions)
    return across, down


def _quotient(numerator: int, denominator: int) -> float:
    return numerator / denominator if denominator else math.inf
