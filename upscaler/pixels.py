"""The two conventions for a picture in memory, and the way between them.

Outside the network a picture is `Pixels`: HWC, sRGB, uint8 or uint16 over the whole range of the type.
Inside it is `Planes`: NCHW, float32 in [0, 1].
"""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Planes = NDArray[np.float32]


def to_planes(pixels: Pixels) -> Planes:
    """HWC whole numbers -> 1CHW float32 in [0, 1]."""
    planes: Planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
    planes /= np.float32(np.iinfo(pixels.dtype).max)
    return planes


def to_pixels(planes: Planes, dtype: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Pixels:
    """1CHW float32 -> HWC whole numbers of `dtype`: clipped to [0, 1], rounded to the nearest level."""
    full_scale = np.float32(np.iinfo(dtype).max)
    levels = np.clip(planes[0], 0, 1) * full_scale + np.float32(0.5)
    pixels: Pixels = levels.astype(dtype).transpose(1, 2, 0)
    return pixels


def to_8_bits(pixels: Pixels) -> Pixels:
    """Round uint16 to uint8, each over the whole range of its type; uint8 stays as it is."""
    if pixels.dtype == np.uint8:
        return pixels
    level, rest = np.divmod(pixels, 257)  # 65,535 = 255 * 257
    rounded: Pixels = (level + (rest > 128)).astype(np.uint8)
    return rounded
