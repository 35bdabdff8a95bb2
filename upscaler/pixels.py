"""Picture arrays: the conventions outside and inside the network, and conversion between them.

`Pixels`, outside: HWC, sRGB, uint8 or uint16 over the full range of the type.
`Planes`, inside: NCHW, float32 in [0, 1].
"""

import numpy as np
from numpy.typing import NDArray

from upscaler.errors import PictureError

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Planes = NDArray[np.float32]

FLOAT_BYTES = 4  # of a value of planes, and of what layers compute from them


def check_pixels(pixels: object) -> None:
    """Raise PictureError for anything but `Pixels` with a pixel at least and 1 to 4 channels."""
    found = type(pixels).__name__
    if isinstance(pixels, np.ndarray):
        is_sampled = pixels.dtype in (np.uint8, np.uint16)  # of this machine's byte order
        if is_sampled and pixels.ndim == 3 and pixels.size and pixels.shape[2] <= 4:
            return
        found = f"{pixels.dtype} of shape {pixels.shape}"
    raise PictureError(
        f"a picture must be an array of uint8 or uint16, height x width x 1 to 4 channels, got {found}; convert it"
    )


def to_planes(pixels: Pixels) -> Planes:
    """Convert HWC integers to 1CHW float32 in [0, 1]."""
    planes: Planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[np.newaxis], dtype=np.float32)
    planes /= np.float32(np.iinfo(pixels.dtype).max)
    return planes


def to_pixels(planes: Planes, dtype: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Pixels:
    """Convert 1CHW float32 to HWC integers of `dtype`: clip to [0, 1], round to the nearest level."""
    full_scale = np.float32(np.iinfo(dtype).max)
    levels = np.clip(planes[0], 0, 1) * full_scale + np.float32(0.5)
    pixels: Pixels = levels.astype(dtype).transpose(1, 2, 0)
    return pixels


def to_8_bits(pixels: Pixels) -> Pixels:
    """Convert uint16 to uint8, rounding to the nearest level; return uint8 unchanged."""
    if pixels.dtype == np.uint8:
        return pixels
    level, rest = np.divmod(pixels, 257)  # 65,535 = 255 * 257
    rounded: Pixels = (level + (rest > 128)).astype(np.uint8)
    return rounded
