"""Bits per channel: of a file, of its decoded pixels, and of what a format holds."""

import logging

from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from upscaler.pictures import avif
from upscaler.pictures.decoding import Source
from upscaler.pictures.formats import AVIF, Format, called
from upscaler.pictures.header import Header

_DEEP = {"PNG", "AVIF"}  # formats whose single pictures are decoded with more than 8 bits

_log = logging.getLogger(__name__)


def stored_bits(image: Image.Image, source: Source) -> int:
    """Return the bits per channel of an opened file that is no TIFF, 8 at least."""
    if image.format == "AVIF":
        return avif.stored_bits(source)
    if image.format in ("HEIF", "JPEG2000"):
        return max(8, int(image.info.get("bit_depth", 8)))
    return 16 if isinstance(image, PngImageFile) and ";16" in str(image.tile[0].args) else 8


def decoded_bits(image: Image.Image, bits: int) -> int:
    """Return the bits per channel, 8 or 16, of the pixels of an opened file: animations are decoded with 8."""
    return 16 if bits > 8 and image.format in _DEEP and getattr(image, "n_frames", 1) == 1 else 8


def written_bits(header: Header, format: Format) -> int:
    """Return the bits per channel, at most, of the result in a format."""
    if header.pages[0].depth == 8 or not format.deep:
        return 8
    if format is AVIF:  # 12 bits are shown by fewer programs
        return 12 if header.bits == 12 else 10
    return 16


def warn_of_lost_bits(header: Header, format: Format) -> None:
    """Warn once if the result has fewer bits per channel than the file."""
    bits = written_bits(header, format)
    if bits >= header.bits:
        return
    place = f"its {called(header.format)} is decoded" if header.pages[0].depth == 8 else f"{format} is written"
    _log.warning(
        "%s: its %d bits per channel became %d, because %s with no more", header.path, header.bits, bits, place
    )
