"""Colours where a picture cannot be seen: a network that sees them would draw them into the edge as a fringe."""

import math

import numpy as np

from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels

_REACH = 3.0  # standard deviations of the blur that spreads colours, at `radius` pixels


def with_hidden_filled(picture: Pixels, radius: int) -> Pixels:
    """Give pixels that are wholly transparent the colours of the visible ones within `radius`: HWC with alpha last.

    The nearer a visible pixel is, the more it counts (Gaussian weights); far from all, pixels stay as they are.
    """
    colours, alpha = picture[:, :, :-1], picture[:, :, -1]
    hidden = alpha == 0
    if not hidden.any() or hidden.all():
        return picture
    spread = _spread(colours, ~hidden, radius)
    filled = picture.copy()
    np.copyto(filled[:, :, :-1], spread, where=hidden[:, :, np.newaxis])
    return filled


def _spread(colours: Pixels, visible: np.ndarray[tuple[int, int], np.dtype[np.bool_]], radius: int) -> Pixels:
    height, width, _ = colours.shape
    colour = pyvips.Image.new_from_array(np.ascontiguousarray(colours))
    weight = pyvips.Image.new_from_memory(visible.tobytes(), width, height, 1, "uchar").cast("float")
    sigma = radius / _REACH
    blur = {"min_ampl": math.exp(-(((radius + 0.5) / sigma) ** 2) / 2), "precision": "float"}
    total, weights = (colour * weight).gaussblur(sigma, **blur), weight.gaussblur(sigma, **blur)
    near = (weights > 0).ifthenelse(total / weights, colour)
    pixels: Pixels = near.rint().cast(colour.format).numpy()
    return pixels.reshape(colours.shape)
