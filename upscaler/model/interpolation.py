"""Bicubic interpolation as a convolution; networks predict the residual to it."""

import numpy as np
from numpy.typing import NDArray

from upscaler.model.architecture import COLOURS

INTERPOLATION_RADIUS = 2  # LR pixels; a bicubic output pixel depends on at most 5x5 of them


def bicubic_kernel() -> NDArray[np.float32]:
    """Return the convolution kernel of bicubic x2 upscaling: (3 x 4)155, one group per colour, 2x2 outputs per pixel.

    Keys' cubic convolution with a = -0.5 (IEEE TASSP 29(6), 1981), sampled a quarter pixel from each centre.
    """
    taps = np.arange(-INTERPOLATION_RADIUS, INTERPOLATION_RADIUS + 1)
    phases = [_cubic(taps - offset) for offset in (-0.25, 0.25)]
    quad = [np.outer(vertical, horizontal) for vertical in phases for horizontal in phases]
    return np.tile(np.array(quad, dtype=np.float32)[:, np.newaxis], (COLOURS, 1, 1, 1))


def _cubic(x: NDArray[np.floating], a: float = -0.5) -> NDArray[np.float64]:
    x = np.abs(x)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))
