"""Validation of a day's downloaded picture, and the page's copies of it before and after upscaling."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from apps.monitor.errors import ApodError
from upscaler import bicubic
from upscaler.errors import LimitError, PictureError
from upscaler.limits import Limits, exceeds
from upscaler.pictures.formats import Sequence
from upscaler.pictures.reading import read_header, read_rgb8

SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "TIFF": ".tif", "GIF": ".gif"}
MOST_PIXELS = 40_000_000  # of the input; pictures from NASA's image service have at most 16 million
PREVIEW = 1600  # pixels, the longer side
THUMBNAIL = 240
DETAIL = 512  # pixels a side of the loupe's squares


class BrokenPictureError(ApodError):
    """Error for a file of a day that is not a picture that can be upscaled; the message is a predicate of the entry."""


def checked_suffix(file: Path, limits: Limits) -> str:
    """Return the suffix for a picture file by its content, without decoding pixels.

    Raises BrokenPictureError unless it is a still picture within `limits`.
    """
    with as_broken():
        header = read_header(file, limits)
    if header.sequence is not Sequence.SINGLE:
        raise BrokenPictureError("is an animation")
    if exceeds(header.pixels, limits.pixels):
        raise BrokenPictureError(f"has a picture of {header.width}x{header.height} pixels, which is too large")
    if header.format not in SUFFIXES:
        raise BrokenPictureError(f"has a picture in {header.format}, which is not one of {', '.join(SUFFIXES)}")
    return SUFFIXES[header.format]


@contextmanager
def as_broken() -> Iterator[None]:
    """Turn a PictureError into a BrokenPictureError with a reason for the page."""
    try:
        yield
    except LimitError as error:
        raise BrokenPictureError("has a picture that costs too much to upscale") from error
    except PictureError as error:
        raise BrokenPictureError("has a file that is no picture, or a broken one") from error


def write_copies(folder: Path, source: Path, doubled: Path) -> None:
    """Write the page's pictures: previews before and after, a thumbnail, and full-resolution squares for the loupe.

    "Before" is the source upscaled by bicubic interpolation, so that both have one size.
    """
    for name, picture in (
        ("before", bicubic.double(read_rgb8(source))),
        ("after", read_rgb8(doubled, Limits(pixels=None))),
    ):
        image = Image.fromarray(picture)
        _write_details(folder / name, image)
        image.thumbnail((PREVIEW, PREVIEW), Image.Resampling.LANCZOS)
        image.save(folder / f"{name}.webp", quality=88)
        if name == "after":
            image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
            image.save(folder / "thumbnail.webp", quality=80)


def _write_details(folder: Path, image: Image.Image) -> None:
    """Split an image into squares named `<row>_<column>.jpg`."""
    folder.mkdir()
    for row, top in enumerate(range(0, image.height, DETAIL)):
        for column, left in enumerate(range(0, image.width, DETAIL)):
            box = (left, top, min(left + DETAIL, image.width), min(top + DETAIL, image.height))
            image.crop(box).save(folder / f"{row}_{column}.jpg", quality=92, subsampling=0)
