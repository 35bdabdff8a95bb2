"""Validation of a day's downloaded picture, and its thumbnail."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from apps.monitor.errors import ApodError
from upscaler.errors import LimitError, PictureError
from upscaler.limits import Limits, exceeds
from upscaler.pictures.formats import SUFFIXES, Sequence
from upscaler.pictures.reading import read_header, read_rgb8

MOST_PIXELS = 40_000_000  # of the input; pictures from NASA's image service have at most 16 million
THUMBNAIL = "thumbnail.webp"
THUMBNAIL_SIDE = 240  # pixels, the longer side
TILES = "tiles"  # folder of the viewer's pictures


class BrokenPictureError(ApodError):
    """Error for a file of a day that is not a picture that can be upscaled; the message is a predicate of the entry."""


def checked_suffix(file: Path, limits: Limits) -> str:
    """Return the suffix for a picture file by its content, without decoding pixels.

    Raises BrokenPictureError unless it is a still picture within `limits`.
    """
    with as_broken(file):
        header = read_header(file, limits)
    if header.sequence is not Sequence.SINGLE:
        raise BrokenPictureError("is an animation")
    if exceeds(header.pixels, limits.pixels):
        raise BrokenPictureError(f"has a picture of {header.width}x{header.height} pixels, which is too large")
    return SUFFIXES[header.format]


@contextmanager
def as_broken(file: Path) -> Iterator[None]:
    """Turn a PictureError about a file into a BrokenPictureError with its reason, which the page shows."""
    try:
        yield
    except LimitError as error:
        raise BrokenPictureError("has a picture that costs too much to upscale") from error
    except PictureError as error:
        raise BrokenPictureError(_reason(file, str(error))) from error


def _reason(file: Path, sentence: str) -> str:
    """Turn a sentence about a file, with advice after a semicolon that no visitor could follow, into a predicate."""
    fault, about = sentence.partition(";")[0], f"{file} "
    return f"has a file that {fault.removeprefix(about)}" if fault.startswith(about) else f"has a broken file: {fault}"


def write_thumbnail(source: Path, limits: Limits) -> None:
    """Write a small copy of a picture beside it. Raises PictureError if the picture cannot be shown."""
    image = Image.fromarray(read_rgb8(source, limits))
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    image.save(source.with_name(THUMBNAIL), quality=80)
