"""Picture files, opened to be looked at: a large one takes little memory, as libvips reads it piece by piece."""

from pathlib import Path

from PIL import Image

from upscaler.errors import PictureError
from upscaler.pictures import budget
from upscaler.pictures.reading import read_frames, read_header
from upscaler.pictures.vips import pyvips

READ_IN_PIECES = ("jpegload", "pngload", "tiffload")
DECODED = 12  # bytes a pixel, at most, while a picture is decoded at once


def opened(path: Path) -> pyvips.Image:
    """The first picture in a file, upright; read in pieces if its format allows it, from top to bottom.

    Raises OSError if there is no such file, PictureError if it has to be decoded at once and memory does not allow it.
    """
    image = _known(path)
    if image is None or image.get("vips-loader") not in READ_IN_PIECES:
        _check_memory(path)
    if image is None:
        return _decoded(path)
    if image.get_typeof("orientation") and image.get("orientation") != 1:
        return pyvips.Image.new_from_file(str(path)).autorot()  # in any order, by way of the disk if it is large
    return image


def shrunk(path: Path, side: int) -> pyvips.Image:
    """The first picture in a file, upright, shrunk while it is read to at most `side` pixels a side."""
    if _known(path) is None:
        return _decoded(path).thumbnail_image(side, height=side, size="down")
    return pyvips.Image.thumbnail(str(path), side, height=side, size="down")


def in_pillow(image: pyvips.Image) -> Image.Image:
    """A piece of a picture, or a small one: RGB or RGBA, 8 bits a channel, with nothing but its colour profile."""
    pixels = Image.fromarray(image.colourspace("srgb").numpy())
    if image.bands >= 3 and image.get_typeof("icc-profile-data"):
        pixels.info["icc_profile"] = image.get("icc-profile-data")
    return pixels


def _known(path: Path) -> pyvips.Image | None:
    """The file as libvips opens it; None if it cannot (BMP), or gives other colours than were doubled (CMYK)."""
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential")
    except pyvips.Error:
        return None
    return None if image.interpretation == "cmyk" else image


def _check_memory(path: Path) -> None:
    header = read_header(path)
    if DECODED * header.width * header.height > budget.available_memory() // 2:
        raise PictureError(f"{path.name} is too large to be looked at just now; download it instead")


def _decoded(path: Path) -> pyvips.Image:
    return pyvips.Image.new_from_array(next(read_frames(read_header(path))).pixels)
