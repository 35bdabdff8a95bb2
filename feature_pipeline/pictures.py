"""A picture file's bytes -> upright sRGB pixels at the picture's own size."""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from upscaler.errors import PictureError
from upscaler.limits import Limits, exceeds
from upscaler.pictures.opening import open_picture
from upscaler.pixels import Pixels

# No photo of Open Images has more than 1024x1024 pixels; more is a mistake or an attack.
LIMITS = Limits(pixels=50_000_000, scans=100)
SRGB = ImageCms.createProfile("sRGB")


class UnusableError(Exception):
    """A picture that nothing can be taken of; the message is the reason under which it is counted."""


def decode(content: bytes | None) -> Pixels:
    """Decode a picture to HWC uint8 sRGB, turned upright by its EXIF orientation. Raises UnusableError.

    None stands for a file that is too long to be read.
    """
    if content is None:
        raise UnusableError("too large")
    with _counted_reasons(), open_picture(io.BytesIO(content), LIMITS) as image:
        if exceeds(image.width * image.height, LIMITS.pixels):
            raise UnusableError("too large")
        return np.asarray(_to_srgb(ImageOps.exif_transpose(image)))


@contextmanager
def _counted_reasons() -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd EXIF and the like; sizes are checked above
            yield
    except UnidentifiedImageError as error:
        raise UnusableError("not a picture") from error
    except PictureError as error:
        raise UnusableError("too large") from error
    except (OSError, SyntaxError, ValueError, struct.error) as error:
        raise UnusableError("broken") from error


def _to_srgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # gray of 16 bits, which Pillow would cut off at 255
        image = Image.fromarray((np.asarray(image, np.int64) >> 8).clip(0, 255).astype(np.uint8))
    if profile := image.info.get("icc_profile"):
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return ImageCms.profileToProfile(image, source, SRGB, outputMode="RGB") or image
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a profile that is broken, or of another colour space than the pixels, says nothing
    return image.convert("RGB")
