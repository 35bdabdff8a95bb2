"""A picture as it comes out of a JPEG file."""

import io

import numpy as np
from PIL import Image

from upscaler.pixels import Pixels


def compressed(picture: Pixels, quality: int, whole_colours: bool = False) -> Pixels:
    """Compress an HWC uint8 RGB picture at a quality of 1 to 100, and decode it again.

    whole_colours: chroma has as many pixels as luma, in place of half as many each way.
    """
    file = io.BytesIO()  # by Pillow, as torchvision's own JPEG is deprecated since 0.29
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:4:4" if whole_colours else "4:2:0")
    with Image.open(file) as image:
        return np.asarray(image)
