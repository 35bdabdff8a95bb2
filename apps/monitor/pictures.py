"""What is made of a day: the downloaded picture, the doubled one, and the small copies that the page shows."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from apps.monitor.errors import ApodError
from upscaler import bicubic
from upscaler.errors import PictureError
from upscaler.limits import Limits, exceeds
from upscaler.pictures.opening import open_picture
from upscaler.pixels import Pixels

SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "GIF": ".gif"}
MOST_PIXELS = 40_000_000  # of a file, before doubling; what the image service sends has at most 16 million
PREVIEW = 1600  # pixels, the longer side
THUMBNAIL = 240
DETAIL = 512  # pixels a side of the squares that the loupe shows


class BrokenPictureError(ApodError):
    """What stands behind a day's picture link is no picture that can be doubled."""


def checked_suffix(file: Path, limits: Limits) -> str:
    """Return the suffix of a picture file, found in its content.

    Raises BrokenPictureError unless it is a still picture that can be upscaled within `limits`.
    """
    try:
        with open_picture(file, limits) as image:
            if exceeds(image.width * image.height, limits.pixels):
                raise BrokenPictureError(f"has a picture of {image.width}x{image.height} pixels, which is too large")
            if getattr(image, "is_animated", False):
                raise BrokenPictureError("is an animation")
            image.load()
            return SUFFIXES[image.format or ""]
    except BrokenPictureError:
        raise
    except PictureError as error:
        raise BrokenPictureError("has a picture that costs too much to upscale") from error
    except Exception as error:  # Pillow's readers raise all sorts, and no day may stop the look at the others
        raise BrokenPictureError("has a file that is no picture, or a broken one") from error


def read(path: Path) -> Pixels:
    """A picture as the page shows it: upright, HW3 uint8. Raises PictureError if it cannot be read."""
    try:
        with open_picture(path) as image:
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise PictureError(f"{path.name} cannot be read any more ({error}); remove its folder") from error


def write_copies(folder: Path, source: Path, doubled: Path) -> None:
    """Write what the page shows: previews before and after, a thumbnail, and full-size squares for the loupe.

    "Before" is the source doubled by bicubic interpolation, so that both are of one size.
    """
    for name, picture in (("before", bicubic.double(read(source))), ("after", read(doubled))):
        image = Image.fromarray(picture)
        _write_details(folder / name, image)
        image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
        image.save(folder / f"{name}.webp", quality=88)
        if name == "after":
            image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
            image.save(folder / "thumbnail.webp", quality=80)


def _write_details(folder: Path, image: Image.Image) -> None:
    """Cut an image into squares named `<row>_<column>.jpg`."""
    folder.mkdir()
    for row, top in enumerate(range(0, image.height, DETAIL)):
        for column, left in enumerate(range(0, image.width, DETAIL)):
            box = (left, top, min(left + DETAIL, image.width), min(top + DETAIL, image.height))
            image.crop(box).save(folder / f"{row}_{column}.jpg", quality=92, subsampling=0)
