"""Picture files, opened by Pillow: named formats only, for its reader of EPS starts Ghostscript."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from upscaler.limits import DEFAULT_LIMITS, Limits
from upscaler.pictures.counting import check_parts
from upscaler.pictures.formats import BY_SUFFIX

# Pillow's own limit knows neither ours nor the memory there is; `Limits.pixels` and the budget are checked instead.
Image.MAX_IMAGE_PIXELS = None

with suppress(ImportError):
    from pillow_heif import register_heif_opener  # the extra "heic"

    register_heif_opener()

_FORMATS = sorted({format.name for format in BY_SUFFIX.values()})


@contextmanager
def open_picture(source: Path | BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Iterator[Image.Image]:
    """Open a picture without decoding it. Every file of others is opened here.

    Raises PictureError if it has more frames or scans than `limits` or a frame larger than its header says,
    UnidentifiedImageError if it is of no known format, and what else Pillow's readers raise of a broken file.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            check_parts(file, str(source), limits)
    else:
        check_parts(source, "the picture", limits)
    with Image.open(source, formats=_FORMATS) as image:
        yield image
