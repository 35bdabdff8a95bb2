"""Decoding of GIFs and animated PNGs frame by frame, composed as their specifications and browsers do.

Pillow multiplies by alpha where a PNG is composited, and gives palette colours to what no frame of a GIF covers.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

from upscaler.errors import PictureError
from upscaler.limits import UNLIMITED
from upscaler.pictures import apng, gif_file
from upscaler.pictures.animation import Control, shown
from upscaler.pictures.content import content_of
from upscaler.pictures.header import Frame, Header
from upscaler.pictures.opening import open_picture
from upscaler.pictures.orientation import upright, upright_size
from upscaler.pictures.pillow_reading import decoded
from upscaler.pictures.vips_reading import deep_pixels
from upscaler.pixels import Pixels, to_8_bits


def is_composed(header: Header) -> bool:
    """Return True for a GIF, or a PNG of several frames."""
    return header.format == "GIF" or (header.format == "PNG" and header.frames > 1)


def composed_frames(header: Header) -> Iterator[Frame]:
    """Decode the frames, with 8 bits.

    Raises PictureError or PngError if they are not those that the header declares, and what decoders raise.
    """
    page, read = header.pages[0], 0
    width, height = upright_size((page.width, page.height), page.orientation)
    canvas = np.zeros((height, width, page.channels), np.uint8)
    frames = _of_gif(header.path) if header.format == "GIF" else apng.frames_of(header.path, (width, height))
    for read, (control, alone) in enumerate(frames, start=1):
        if read > header.frames:
            raise PictureError(f"{header.path} has more than its {header.frames} declared frames; export it again")
        whole = shown(canvas, control, _decoded(alone, header.bits))
        yield Frame(upright(whole, page.orientation), control.milliseconds)
    if read < header.frames:
        raise PictureError(f"{header.path} has only {read} of {header.frames} declared frames; download it again")


def _of_gif(path: Path) -> Iterator[tuple[Control, bytes]]:
    with path.open("rb") as file:
        content = content_of(file)
        for frame in gif_file.frames_of(content):
            yield frame.control, frame.alone(content)


def _decoded(picture: bytes, bits: int) -> Pixels:
    """Decode a still PNG or GIF with 8 bits."""
    if bits == 16:
        return to_8_bits(deep_pixels(picture))
    with open_picture(BytesIO(picture), UNLIMITED) as image:
        return decoded(image)
