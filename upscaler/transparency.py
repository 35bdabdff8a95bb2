"""Colours of transparent pixels, which the network would otherwise draw into visible edges as a fringe."""

import math

import numpy as np

from upscaler.pictures.vips import pyvips
from upscaler.pixels import Pixels

_RADIUS_IN_SIGMAS = 3.0  # of the Gaussian that spreads colours


def with_hidden_filled(picture: Pixels, radius: int) -> Pixels:
    """Fill fully transparent pixels with the colours of visible ones within `radius`: HWC, alpha last.

    Each colour is a Gaussian-weighted mean; transparent pixels with no visible one in reach are unchanged.
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
    sigma = radius / _RADIUS_IN_SIGMAS
    blur = {"min_ampl": math.exp(-(((radius + 0.5) / sigma) ** 2) / 2), "precision": "float"}
    total, weights = (colour * weight).gaussblur(sigma, **blur), weight.gaussblur(sigma, **blur)
    near = (weights > 0).ifthenelse(total / weights, colour)
    pixels: Pixels = near.rint().cast(colour.format).numpy()
    return pixels.reshape(colours.shape)
