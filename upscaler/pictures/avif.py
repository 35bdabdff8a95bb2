"""AVIFs of 10 and 12 bits per channel, cropped ones, and those without losses, by libvips.

Pillow reads and writes 8 bits, and leaves a crop undone.
"""

import mmap
import struct
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from upscaler.errors import PictureError
from upscaler.pictures.decoding import Source, name_of
from upscaler.pictures.directories import PREFIX
from upscaler.pictures.vips import pyvips
from upscaler.pictures.vips_reading import opened
from upscaler.pictures.vips_writing import target_at
from upscaler.pixels import Pixels

# Of the encoder. Measured on photos: 6, the default of Pillow and libvips, takes 31 s for 48 megapixels on two cores, 8
# takes 8.3 s for a file 5 % larger and 0.15 dB less
SPEED = 8
_FASTEST = 9  # libvips counts from there down
_EXIF_POINTER, _USER_COMMENT = 0x8769, 0x9286
_UNDEFINED, _LONG = 7, 4  # types of an entry
_MARK = b"place of the EXIF block"
_TIFF_HEADER = b"II*\0"


def stored_bits(source: Source) -> int:
    """Return the bits per channel of an AVIF: 8, 10 or 12."""
    return int(opened(source, "heif").get("bits-per-sample"))


def cropped_size(image: Image.Image, source: Source) -> tuple[int, int] | None:
    """Return the size, upright, of which an opened AVIF shows no more (ISO/IEC 14496-12, `clap`); None if it shows all.

    Raises PictureError if it shows less than half, for limits and estimates of memory count what is shown.
    """
    if getattr(image, "n_frames", 1) > 1:
        return None  # frames are of a track, which may have other sizes than the still picture beside it
    shown = opened(source, "heif")
    pixels, stored = shown.width * shown.height, image.width * image.height
    if pixels >= stored:
        return None
    if 2 * pixels < stored:
        raise PictureError(f"{name_of(source)} is an AVIF that shows less than half of its pixels; export it cropped")
    return shown.width, shown.height


def read_avif(source: Source) -> Pixels:
    """Decode an AVIF, upright and cropped: HWC uint8, or uint16 from 0 to 65,535 if it has more than 8 bits."""
    image = opened(source, "heif")
    bits = image.get("bits-per-sample")
    stored: Pixels = image.numpy().reshape(image.height, image.width, image.bands)
    if bits == 8:
        return stored
    pixels: Pixels = _scale(bits)[stored >> (16 - bits)]  # libvips gives the upper bits, of which white has not all
    return pixels


def write_avif(file: BinaryIO, image: pyvips.Image, exif: bytes, *, quality: int, bits: int, lossless: bool) -> None:
    """Encode one picture, with the metadata of `image` and EXIF byte for byte. bits: 8, or 10 or 12 of a 16-bit one."""
    options = {"lossless": True} if lossless else {"Q": quality, "subsample_mode": "on"}
    block = exif.removeprefix(PREFIX)
    if image.format == "ushort":
        image = _rounded(image, bits)
    if block:
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "exif-data", _placeholder(len(block)))
    image.heifsave_target(
        target_at(file),
        compression="av1",
        bitdepth=bits,
        effort=_FASTEST - SPEED,
        keep="icc|xmp|exif" if block else "icc|xmp",
        **options,
    )
    if block:
        _put_in_place(file, block)


def _scale(bits: int) -> NDArray[np.uint16]:
    """Return the 16-bit value of each value of so many bits."""
    most = 2**bits - 1
    values: NDArray[np.uint16] = np.round(np.arange(most + 1) * (65_535 / most)).astype(np.uint16)
    return values


def _rounded(image: pyvips.Image, bits: int) -> pyvips.Image:
    """Round 16 bits to the upper ones, which libvips would cut off."""
    most = 2**bits - 1
    return (image * (most / 65_535)).rint().cast("ushort") << (16 - bits)


def _placeholder(length: int) -> bytes:
    """Return EXIF of a comment that libvips writes as it is; of other EXIF, it drops and moves tags."""
    comment = _MARK + bytes(length)
    pointer = struct.pack("<HHHII4x", 1, _EXIF_POINTER, _LONG, 1, 26)
    directory = struct.pack("<HHHII4x", 1, _USER_COMMENT, _UNDEFINED, len(comment), 44)
    return PREFIX + _TIFF_HEADER + struct.pack("<I", 8) + pointer + directory + comment


def _put_in_place(file: BinaryIO, exif: bytes) -> None:
    with mmap.mmap(file.fileno(), 0) as content:
        mark = content.find(_MARK)
        start, end = content.rfind(_TIFF_HEADER, 0, mark), mark + len(_MARK) + len(exif)
        content[start:end] = exif.ljust(end - start, b"\0")
