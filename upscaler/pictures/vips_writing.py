"""Pictures and targets for the encoders of libvips."""

from typing import BinaryIO

import numpy as np

from upscaler.pictures.header import Frame
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.vips import pyvips
from upscaler.pictures.vips_rows import image_of_rows
from upscaler.pixels import Pixels

# Of PNGs and TIFFs. Measured on a 48-megapixel photo: as PNG, levels 1, 3 and 6 took 1.1, 2.0 and 2.1 s for 86, 73 and
# 73 MB; as TIFF 0.75, 1.5 and 3.9 s for 66, 46 and 44 MB
DEFLATE_LEVEL = 3

_MILLIMETRES_PER_INCH = 25.4
_DEFAULT_DPI = 72.0  # libvips always writes a resolution


def target_at(file: BinaryIO) -> pyvips.Target:
    """Return what writes into an open file, from its present position."""
    return pyvips.Target.new_to_descriptor(file.fileno())


def vips_image(frame: Frame, metadata: Metadata) -> pyvips.Image:
    """Return an image of libvips of a frame's pixels, with resolution, XMP and colour profile."""
    pixels = frame.pixels
    kind, deep = ("b-w", "grey16") if pixels.shape[2] < 3 else ("srgb", "rgb16"), pixels.dtype == np.uint16
    image = image_of_rows(pixels, frame.rows) if frame.rows else _in_memory(pixels)
    dpi = metadata.dpi or (_DEFAULT_DPI, _DEFAULT_DPI)
    image = image.copy(
        interpretation=kind[deep], xres=dpi[0] / _MILLIMETRES_PER_INCH, yres=dpi[1] / _MILLIMETRES_PER_INCH
    )
    for name, content in (("xmp", metadata.xmp), ("icc-profile", metadata.profile)):
        if content:
            image.set_type(pyvips.GValue.blob_type, f"{name}-data", content)
    return image


def _in_memory(pixels: Pixels) -> pyvips.Image:
    height, width, channels = pixels.shape
    sample = "ushort" if pixels.dtype == np.uint16 else "uchar"
    return pyvips.Image.new_from_memory(np.ascontiguousarray(pixels).data, width, height, channels, sample)
