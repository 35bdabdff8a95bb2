"""JPEG compression as a degradation."""

import io

import numpy as np
from PIL import Image

from upscaler.pixels import Pixels


def compressed(picture: Pixels, quality: int, full_chroma: bool = False) -> Pixels:
    """Compress an HWC uint8 RGB picture at a quality of 1 to 100, and decode it again.

    full_chroma: subsampling 4:4:4 instead of 4:2:0.
    """
    file = io.BytesIO()  # Pillow, because torchvision's JPEG function is deprecated since 0.29
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:4:4" if full_chroma else "4:2:0")
    with Image.open(file) as image:
        return np.asarray(image)
