"""Reading of 16-bit PNGs and TIFFs with libvips; Pillow silently opens 16-bit colour as 8 bits."""

import os
from collections.abc import Iterator

import numpy as np

from upscaler.pictures.colour import deep_cmyk_in_srgb
from upscaler.pictures.decoding import Source, name_of
from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels

_STRIP = 256  # rows read from libvips at a time


def is_deep(source: Source, format: str) -> bool:
    """Return True if a PNG or TIFF has 16 bits per channel."""
    return bool(_opened(source, format, 1).format == "ushort")


def deep_frames(source: Source, format: str, frames: int) -> Iterator[Pixels]:
    """Decode the first frames of a file as stored, before orientation: HWC uint16."""
    image = _opened(source, format, frames)
    if image.interpretation == "cmyk":
        image = deep_cmyk_in_srgb(image, name_of(source))
    region, height = pyvips.Region.new(image), image.height // frames
    for n in range(frames):  # one region reads all pages in one pass; opening each page would rescan the file
        pixels = np.empty((height, image.width, image.bands), np.uint16)
        for top in range(0, height, _STRIP):
            strip = pixels[top : top + _STRIP]
            rows = region.fetch(0, n * height + top, image.width, len(strip))
            strip[:] = np.frombuffer(rows, np.uint16).reshape(strip.shape)
        yield pixels


def _opened(source: Source, format: str, pages: int) -> pyvips.Image:
    """Open a file for sequential reading; the first pages of a TIFF are stacked vertically."""
    options = {"access": "sequential", "fail_on": "error"} | ({} if format == "PNG" else {"n": pages})
    if isinstance(source, bytes):
        load = pyvips.Image.pngload_buffer if format == "PNG" else pyvips.Image.tiffload_buffer
        return load(source, **options)
    load = pyvips.Image.pngload if format == "PNG" else pyvips.Image.tiffload
    return load(os.fsencode(source), **options)  # names need not be UTF-8
