"""Pictures in a palette of 256 colours, as a GIF holds them."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from upscaler.limits import UNLIMITED
from upscaler.pictures.header import Frame
from upscaler.pictures.metadata import Metadata
from upscaler.pictures.opening import open_picture
from upscaler.pictures.vips_writing import vips_image
from upscaler.pixels import Pixels

_OPAQUE = 128  # the least alpha that is shown: a GIF's pixels are transparent or not
# Of 1 to 10: 1 loses 0.2 to 2.6 dB and changes pictures of few colours, 7 takes two to three times as long for 0.7 dB
_EFFORT = 4


def in_palette(frame: Frame, *, with_transparent: bool = False) -> Image.Image:
    """Return 8-bit pixels of 2 to 4 channels in the 256 colours that suit them; if there are no more, nothing changes.

    with_transparent: one of the colours is transparent, also if no pixel is, and there may be 1 channel.
    On photos, libvips' quantiser is 2 to 4 dB nearer than Pillow's median cut, in less time, and 3 to 6 dB nearer than
    its octree, the one that Pillow has for transparent pictures. libvips returns a palette only in a file.
    """
    if frame.pixels.shape[2] in (2, 4):
        pixels = frame.pixels.copy()
        pixels[:, :, -1] = np.where(pixels[:, :, -1] < _OPAQUE, 0, 255)
        frame = replace(frame, pixels=pixels)
    height, width = frame.pixels.shape[:2]
    if with_transparent:
        frame = replace(frame, pixels=_above_a_transparent_row(frame.pixels))
    png = vips_image(frame, Metadata()).pngsave_buffer(
        palette=True, effort=_EFFORT, dither=0, compression=0, filter="none", keep="none"
    )
    with open_picture(io.BytesIO(png), UNLIMITED) as image:
        return image.crop((0, 0, width, height))


def _above_a_transparent_row(pixels: Pixels) -> Pixels:
    """Return pixels with alpha and a row more, for which the quantiser makes a transparent colour."""
    height, width, channels = pixels.shape
    colours = channels - 1 if channels in (2, 4) else channels
    extended = np.zeros((height + 1, width, colours + 1), np.uint8)
    extended[:height, :, colours] = 255
    extended[:height, :, :channels] = pixels
    return extended
