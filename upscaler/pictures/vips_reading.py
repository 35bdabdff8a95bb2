"""Reading of 16-bit PNGs with libvips; Pillow silently opens 16-bit colour as 8 bits."""

import os

from upscaler.pictures.decoding import Source
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels


def is_deep(source: Source) -> bool:
    """Return True if a PNG has 16 bits per channel."""
    return bool(_opened(source).format == "ushort")


def deep_pixels(source: Source) -> Pixels:
    """Decode a PNG as stored, before orientation: HWC uint16."""
    image = _opened(source)
    pixels: Pixels = image.numpy()
    return pixels.reshape(image.height, image.width, image.bands)


def _opened(source: Source) -> pyvips.Image:
    load = pyvips.Image.pngload_buffer if isinstance(source, bytes) else pyvips.Image.pngload
    given = source if isinstance(source, bytes) else os.fsencode(source)  # names need not be UTF-8
    return load(given, access="sequential", fail_on="error")
