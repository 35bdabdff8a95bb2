"""Opening of picture files for display; libvips reads large files in pieces, with little memory."""

from pathlib import Path

from PIL import Image

from upscaler.errors import PictureError
from upscaler.pictures import budget
from upscaler.pictures.reading import read_frames, read_header
from upscaler.pictures.tiff_reading import first_tiff_page
from upscaler.pictures.vips import pyvips

READ_IN_PIECES = ("jpegload", "pngload", "tiffload")
_PLAIN = ("b-w", "grey16", "srgb", "rgb16")  # interpretations
DECODED = 12  # maximum bytes per pixel while a whole picture is decoded


def opened(path: Path) -> pyvips.Image:
    """Open the first frame of a file, upright; read sequentially in pieces if the format allows it.

    Raises OSError if the file does not exist, PictureError if it must be decoded as a whole and memory is short.
    """
    image = _known(path)
    if image is None or image.get("vips-loader") not in READ_IN_PIECES:
        _check_memory(path)
    if image is None:
        return _decoded(path)
    if image.get_typeof("orientation") and image.get("orientation") != 1:
        return pyvips.Image.new_from_file(str(path)).autorot()  # random access, through a temporary file if it is large
    return image


def shrunk(path: Path, side: int) -> pyvips.Image:
    """Open the first frame of a file, upright, shrunk on load to at most `side` pixels a side."""
    if _known(path) is None:
        return _decoded(path).thumbnail_image(side, height=side, size="down")
    return pyvips.Image.thumbnail(str(path), side, height=side, size="down")


def in_pillow(image: pyvips.Image) -> Image.Image:
    """Convert a small picture or a crop to Pillow: RGB or RGBA, 8 bits per channel, with its colour profile only."""
    pixels = Image.fromarray(image.colourspace("srgb").numpy())
    if image.bands >= 3 and image.get_typeof("icc-profile-data"):
        pixels.info["icc_profile"] = image.get("icc-profile-data")
    return pixels


def _known(path: Path) -> pyvips.Image | None:
    """Open a file with libvips; None if it cannot (BMP), or if it would look unlike the result (CMYK, infrared)."""
    try:
        image = pyvips.Image.new_from_file(str(path), access="sequential")
    except pyvips.Error:
        return None
    if image.get("vips-loader") == "tiffload" and image.bands != first_tiff_page(path)[0].channels:
        return None
    return image if image.interpretation in _PLAIN else None


def _check_memory(path: Path) -> None:
    header = read_header(path)
    if DECODED * header.width * header.height > budget.available_memory() // 2:
        raise PictureError(f"{path.name} is too large to be looked at just now; download it instead")


def _decoded(path: Path) -> pyvips.Image:
    return pyvips.Image.new_from_array(next(read_frames(read_header(path))).pixels)
