"""The interpolation to which the networks add what it lacks, as a convolution."""

import numpy as np
from numpy.typing import NDArray

from upscaler.model.architecture import COLOURS

INTERPOLATION_RADIUS = 2  # a doubled pixel of a bicubic interpolation needs 5x5 pixels at most


def bicubic_kernel() -> NDArray[np.float32]:
    """Weights of the bicubic doubling as a convolution: (3 x 4)155, one group a colour, 2x2 results a pixel.

    Keys' cubic convolution with a = -0.5 (IEEE TASSP 29(6), 1981), sampled a quarter pixel off each centre.
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
