"""Bicubic interpolation: downscaling that makes LR inputs, and upscaling as the baseline."""

import numpy as np
from PIL import Image

from upscaler.pixels import Pixels


def halve(picture: Pixels) -> Pixels:
    """Downscale a picture x2 by antialiased bicubic interpolation, after cropping an odd last row or column.

    `picture` is HWC uint8 with 3 channels and at least 2 pixels a side; the result is (H // 2)(W // 2)C.
    Pillow's BICUBIC widens its kernel when downscaling, as MATLAB's imresize does.
    """
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    even = Image.fromarray(picture[: 2 * height, : 2 * width])
    return np.asarray(even.resize((width, height), Image.Resampling.BICUBIC))


def double(picture: Pixels) -> Pixels:
    """Upscale a picture x2 by bicubic interpolation: HWC uint8 -> (2H)(2W)C uint8."""
    height, width = picture.shape[:2]
    doubled = Image.fromarray(picture).resize((2 * width, 2 * height), Image.Resampling.BICUBIC)
    return np.asarray(doubled)
