"""Opening of picture files with Pillow, restricted to the supported formats: its EPS reader would run Ghostscript."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import BinaryIO

from PIL import Image, PngImagePlugin

from upscaler.errors import PictureError
from upscaler.limits import DEFAULT_LIMITS, Limits
from upscaler.pictures.content import content_of
from upscaler.pictures.formats import BY_SUFFIX
from upscaler.pictures.jpeg_2000 import information
from upscaler.pictures.png_repair import repaired
from upscaler.pictures.png_texts import LONGEST_TEXT, LONGEST_TEXTS
from upscaler.pictures.screening import check_parts

# `Limits.pixels` and the memory budget replace Pillow's fixed limit
Image.MAX_IMAGE_PIXELS = None
# Longer texts and profiles of a PNG are hidden from Pillow, which would refuse the whole picture
PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = LONGEST_TEXT, LONGEST_TEXTS + LONGEST_TEXT
# What Pillow says of odd EXIF, palettes and the like is no sentence on a picture, and does not name it
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)

with suppress(ImportError):
    from pillow_heif import register_heif_opener  # the extra "heic"

    register_heif_opener()

for _reader in ("Avif", "Bmp", "Gif", "Jpeg2K", "Jpeg", "Png", "Tiff", "WebP"):
    import_module(f"PIL.{_reader}ImagePlugin")  # else Pillow would import its readers of thirty other formats as well
_FORMATS = sorted({format.name for format in BY_SUFFIX.values()})


@contextmanager
def open_picture(source: Path | BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Iterator[Image.Image]:
    """Open a picture without decoding it; the only place that opens untrusted files with Pillow.

    Raises LimitError if it exceeds `limits` or a frame is larger than the header declares, UnidentifiedImageError if
    the format is not supported, PictureError for a JPEG 2000 whose depth Pillow decodes wrongly, and whatever Pillow's
    readers raise for a broken file.
    """
    with ExitStack() as stack:
        file = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        name = str(source) if isinstance(source, Path) else "the picture"
        check_parts(file, name, limits)
        whole = repaired(file) or source
        file.seek(0)
        image = stack.enter_context(Image.open(whole, formats=_FORMATS))
        if isinstance(image, PngImagePlugin.PngImageFile):
            _scale_transparent_gray(image)
        if image.format == "JPEG2000":  # Pillow reads none of its metadata
            image.info.update(information(content_of(file)))
            _check_depth(image, name)
            file.seek(0)
        yield image


def _check_depth(image: Image.Image, name: str) -> None:
    """Raise PictureError for a JPEG 2000 that Pillow would round to bytes, where white wraps to black."""
    bits = image.info["bit_depth"]
    if bits > (16 if image.mode == "I;16" else 8):
        raise PictureError(
            f"{name} is a JPEG 2000 of {bits} bits per channel, which is not supported; "
            "export it with 8 bits, or as a PNG or TIFF with 16"
        )


def _scale_transparent_gray(image: PngImagePlugin.PngImageFile) -> None:
    """Bring the transparent gray of 2 or 4 bits into the range of the samples, which Pillow decodes to 8."""
    most, gray = {"L;2": 3, "L;4": 15}.get(str(image.tile[0].args)), image.info.get("transparency")
    if most and gray is not None:
        image.info["transparency"] = min(gray, most) * 255 // most
