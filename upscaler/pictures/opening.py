"""Opening of picture files with Pillow, restricted to the supported formats: its EPS reader would run Ghostscript."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from upscaler.limits import DEFAULT_LIMITS, Limits
from upscaler.pictures.counting import check_parts, content_of
from upscaler.pictures.formats import BY_SUFFIX
from upscaler.pictures.jpeg_2000 import information

# `Limits.pixels` and the memory budget replace Pillow's fixed limit
Image.MAX_IMAGE_PIXELS = None

with suppress(ImportError):
    from pillow_heif import register_heif_opener  # the extra "heic"

    register_heif_opener()

_FORMATS = sorted({format.name for format in BY_SUFFIX.values()})


@contextmanager
def open_picture(source: Path | BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Iterator[Image.Image]:
    """Open a picture without decoding it; the only place that opens untrusted files with Pillow.

    Raises LimitError if it exceeds `limits` or a frame is larger than the header declares, UnidentifiedImageError if
    the format is not supported, and whatever Pillow's readers raise for a broken file.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            check_parts(file, str(source), limits)
    else:
        check_parts(source, "the picture", limits)
    with Image.open(source, formats=_FORMATS) as image:
        if isinstance(image, Jpeg2KImageFile):  # Pillow reads none of its metadata
            opened = cast(BinaryIO, image.fp)
            image.info.update(information(content_of(opened)))
            opened.seek(0)
        yield image
