"""Opening of picture files for display; libvips reads large files in pieces, with little memory."""

import os
from contextlib import suppress
from pathlib import Path

from upscaler.errors import PictureError
from upscaler.pictures import budget
from upscaler.pictures.header import Header
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.orientation import upright_size
from upscaler.pictures.reading import read_frames, read_header
from upscaler.pictures.vips import pyvips
from upscaler.pictures.vips_writing import vips_image

DECODED = 12  # maximum bytes per pixel while a whole picture is decoded
_IN_PIECES = ("JPEG", "MPO", "PNG", "TIFF")
_PLAIN = ("b-w", "grey16", "srgb", "rgb16")  # interpretations
_PROFILE = "icc-profile-data"


def opened(path: Path) -> pyvips.Image:
    """Open the first frame of a file, upright, with its colour profile; read in pieces if the format allows it.

    Raises OSError if the file does not exist, PictureError if it is an HDR picture, or if it must be decoded as a whole
    and memory is short.
    """
    header = read_header(path)
    if header.metadata.hdr:
        raise PictureError(f"{path.name} is an HDR picture ({header.metadata.hdr}); download it instead")
    image = _in_pieces(header)
    if image is None:
        _check_memory(header)
        image = vips_image(next(read_frames(header)), Metadata())
    image = image.copy()
    if header.metadata.profile:
        image.set_type(pyvips.GValue.blob_type, _PROFILE, header.metadata.profile)
    else:
        image.remove(_PROFILE)
    return image


def in_srgb(image: pyvips.Image) -> pyvips.Image:
    """Convert a picture to sRGB by its profile: RGB or RGBA, 8 bits per channel. A broken profile is ignored."""
    if image.get_typeof(_PROFILE):
        with suppress(pyvips.Error):  # broken, or of another colour space
            return image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True)
    return image.colourspace("srgb")


def _in_pieces(header: Header) -> pyvips.Image | None:
    """Open a file with libvips; None if that would be unlike the decoded frame: CMYK, infrared, a thumbnail first."""
    page, name = header.pages[0], os.fsencode(header.path)
    if header.format not in _IN_PIECES:
        return None
    try:
        image = pyvips.Image.new_from_file(name, access="sequential")
        if page.orientation != 1:
            image = pyvips.Image.new_from_file(name)  # random access, through a temporary file if it is large
    except pyvips.Error:
        return None
    stored = image.get("orientation") if image.get_typeof("orientation") else 1
    size = upright_size((image.width, image.height), page.orientation)
    alike = (stored, size, image.bands) == (page.orientation, (page.width, page.height), page.channels)
    return image.autorot() if alike and image.interpretation in _PLAIN else None


def _check_memory(header: Header) -> None:
    if DECODED * header.width * header.height > budget.available_memory() // 2:
        raise PictureError(f"{header.path.name} is too large to be looked at just now; download it instead")
