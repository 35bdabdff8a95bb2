"""Picture files, read and written with what belongs to them: profile, EXIF, resolution."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from upscaler.errors import PictureError
from upscaler.pixels import Pixels

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")


@dataclass(frozen=True)
class Picture:
    """Pixels, upright, HWC with 1 to 4 channels, and what else goes into the file, as Pillow names it."""

    pixels: Pixels
    metadata: dict[str, Any]


def read(path: Path, max_pixels: int) -> Picture:
    """Read a picture. Raises PictureError if it is none, is broken, or has more than `max_pixels` pixels."""
    try:
        with Image.open(path) as image:
            check_size(path, image, max_pixels)
            upright = ImageOps.exif_transpose(image)
            return Picture(_pixels(upright), _metadata(upright))
    except UnidentifiedImageError as error:
        raise PictureError(f"{path} is not a picture that can be read; give a JPEG, PNG, WebP or TIFF") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"{path} is too large to read; make it smaller first") from error
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise PictureError(f"{path} is broken ({error}); fetch or export it again") from error


def write(path: Path, picture: Picture, quality: int) -> None:
    """Write a picture in the format that the suffix of `path` names."""
    pixels = picture.pixels
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    options: dict[str, Any] = dict(picture.metadata)
    if path.suffix.lower() in (".jpg", ".jpeg"):
        if image.mode in ("LA", "RGBA"):
            raise PictureError(f"{path.name} cannot be transparent as a JPEG; choose PNG or WebP")
        options |= {"quality": quality, "subsampling": 0}
    elif path.suffix.lower() == ".webp":
        options |= {"quality": quality}
    image.save(path, **options)


def check_size(path: Path, image: Image.Image, max_pixels: int) -> None:
    """Raise PictureError if a picture, of which only the header has been read, is too large."""
    if image.width * image.height > max_pixels:
        raise PictureError(
            f"{path} has {image.width}x{image.height} pixels, more than the limit of {max_pixels / 1e6:.0f} "
            "megapixels; make it smaller or raise --max-pixels"
        )


def _pixels(image: Image.Image) -> Pixels:
    if image.mode in ("1", "L", "I;16"):
        image = image if image.mode != "1" else image.convert("L")
    elif image.has_transparency_data:
        image = image.convert("LA" if image.mode == "LA" else "RGBA")
    else:
        image = image.convert("RGB")
    pixels: Pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]


def _metadata(image: Image.Image) -> dict[str, Any]:
    kept = {name: image.info[name] for name in ("icc_profile", "dpi", "xmp") if image.info.get(name)}
    exif = image.getexif()
    return kept | ({"exif": exif.tobytes()} if exif else {})
