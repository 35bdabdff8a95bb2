"""Decoding and composition of animated PNGs; Pillow multiplies by alpha where the specification composites.

Formula: "Portable Network Graphics", third edition, W3C 2025, 13.16, for a backdrop that may be transparent too.
"""

from collections.abc import Iterator
from io import BytesIO

import numpy as np

from upscaler.errors import PictureError
from upscaler.limits import UNLIMITED
from upscaler.pictures.apng import BACKGROUND, OVER, PREVIOUS, Control, frames_of
from upscaler.pictures.header import Frame, Header
from upscaler.pictures.opening import open_picture
from upscaler.pictures.orientation import upright, upright_size
from upscaler.pictures.pillow_reading import decoded
from upscaler.pictures.vips_reading import deep_pixels
from upscaler.pixels import Pixels, to_8_bits

_AT_ONCE = 100_000  # pixels that are composited; each takes 60 bytes meanwhile


def is_apng(header: Header) -> bool:
    """Return True for a PNG of several frames."""
    return header.format == "PNG" and header.frames > 1


def apng_frames(header: Header) -> Iterator[Frame]:
    """Decode the frames of an animated PNG, with 8 bits.

    Raises PictureError or PngError if they are not those that the header declares, and what decoders raise.
    """
    page, read = header.pages[0], 0
    width, height = upright_size((page.width, page.height), page.orientation)
    canvas = np.zeros((height, width, page.channels), np.uint8)
    for read, (control, png) in enumerate(frames_of(header.path, (width, height)), start=1):
        if read > header.frames:
            raise PictureError(f"{header.path} has more than its {header.frames} declared frames; export it again")
        shown = _shown(canvas, control, _decoded(png, header.bits))
        yield Frame(upright(shown, page.orientation), control.milliseconds)
    if read < header.frames:
        raise PictureError(f"{header.path} has only {read} of {header.frames} declared frames; download it again")


def _decoded(png: bytes, bits: int) -> Pixels:
    """Decode a still PNG with 8 bits."""
    if bits == 16:
        return to_8_bits(deep_pixels(png))
    with open_picture(BytesIO(png), UNLIMITED) as image:
        return decoded(image)


def _shown(canvas: Pixels, control: Control, pixels: Pixels) -> Pixels:
    """Draw a frame on the canvas, return a copy of that, and dispose of the frame."""
    region = canvas[control.region]
    before = region.copy() if control.disposal == PREVIOUS else None
    if pixels.shape[2] < canvas.shape[2]:  # opaque pixels, beside which the background shows
        region[:, :, :-1], region[:, :, -1] = pixels, 255
    elif control.blending == OVER and canvas.shape[2] in (2, 4):
        _composite(pixels, region)
    else:
        region[:] = pixels
    shown = canvas.copy()
    if before is not None:
        region[:] = before
    elif control.disposal == BACKGROUND:
        region[:] = 0
    return shown


def _composite(pixels: Pixels, region: Pixels) -> None:
    """Draw pixels over those of a region: uint8, alpha last, not premultiplied."""
    rows = max(1, _AT_ONCE // pixels.shape[1])
    for top in range(0, len(pixels), rows):
        upper, lower = pixels[top : top + rows], region[top : top + rows]
        own = upper[:, :, -1:].astype(np.uint32) * 255
        rest = lower[:, :, -1:] * (255 - upper[:, :, -1:].astype(np.uint32))
        both = own + rest  # 255 times the alpha
        colours = upper[:, :, :-1] * own + lower[:, :, :-1] * rest
        lower[:, :, :-1] = (2 * colours + both) // np.maximum(2 * both, 1)
        lower[:, :, -1:] = (both + 127) // 255
