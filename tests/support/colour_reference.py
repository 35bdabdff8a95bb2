"""Reference for colours: arithmetic written out, with published matrices, and littlecms."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from upscaler.pictures.icc_profiles import (
    ADOBE_RGB,
    D65,
    GRAY,
    SRGB,
    Chromaticities,
    Curve,
    fitted,
    rgb_profile,
)
from upscaler.pixels import Pixels

DISPLAY_P3 = Chromaticities((0.68, 0.32), (0.265, 0.69), (0.15, 0.06), D65)
BT2020 = Chromaticities((0.708, 0.292), (0.17, 0.797), (0.131, 0.046), D65)

# From linear light to linear sRGB: CSS Color 4, ITU-R BT.2087, Adobe RGB (1998).
MATRICES = {
    SRGB: np.eye(3),
    DISPLAY_P3: [[1.2249401, -0.2249402, 0], [-0.0420569, 1.0420571, 0], [-0.0196376, -0.0786361, 1.0982735]],
    BT2020: [[1.660491, -0.587641, -0.07285], [-0.12455, 1.1329, -0.008349], [-0.018151, -0.100579, 1.11873]],
    ADOBE_RGB: [[1.3982832, -0.3982832, 0], [0, 1, 0], [0, -0.0429383, 1.0429383]],
}


def gray_profile(curve: Curve) -> bytes:
    """Make the profile of gray pixels."""
    return fitted(rgb_profile(SRGB, curve), GRAY)


def shown(pixels: Pixels, primaries: Chromaticities, gamma: float | None) -> NDArray[np.float64]:
    """Return pixels as a colour-managed viewer shows them in sRGB, 0 to 255. gamma: None for the curve of sRGB."""
    values = pixels / np.iinfo(pixels.dtype).max
    curved = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    light = curved if gamma is None else values**gamma
    light = (light @ np.array(MATRICES[primaries]).T).clip(0, 1)
    encoded: NDArray[np.float64] = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return 255 * encoded


def by_profile(picture: Image.Image, profile: bytes) -> Pixels:
    """Convert a picture to sRGB by littlecms."""
    given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    return np.asarray(ImageCms.profileToProfile(picture, given, ImageCms.createProfile("sRGB"), outputMode="RGB"))
