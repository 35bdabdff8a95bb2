"""Transparency: colours of hidden pixels, which would become a fringe, and edges of alpha, which would ring."""

import math
from functools import reduce
from itertools import product

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


def keep_in_local_range(doubled: Pixels, padded: Pixels, halo: int) -> None:
    """Clamp an upscaled window, in place, to the range of the four source pixels around each of its pixels.

    doubled: (2H)(2W)C. padded: its source with a margin of `halo`, (H + 2 halo)(W + 2 halo)C. A network draws lines
    beside edges, which alpha would show as ghosts of the shape.
    """
    height, width = padded.shape[0] - 2 * halo, padded.shape[1] - 2 * halo
    for down, right in product((0, 1), repeat=2):
        around = [
            padded[halo - 1 + down + y :, halo - 1 + right + x :][:height, :width] for y, x in product((0, 1), repeat=2)
        ]
        pixels = doubled[down::2, right::2]
        np.clip(pixels, reduce(np.minimum, around), reduce(np.maximum, around), out=pixels)


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
