"""Pictures for the browser to compare: before and after, of one size that it can hold."""

from pathlib import Path

from PIL import Image, ImageOps

MOST_SIDE = 2048  # pixels
QUALITY = 90


def write_pair(source: Path, doubled: Path, folder: Path) -> tuple[Path, Path]:
    """Write the bicubic doubling of `source` and the picture in `doubled`, at one size of at most 2048 a side."""
    with Image.open(doubled) as image:
        after = upright(image)
        after.thumbnail((MOST_SIDE, MOST_SIDE), Image.Resampling.LANCZOS)
    with Image.open(source) as image:
        before = upright(image).resize(after.size, Image.Resampling.BICUBIC)
    return _write(before, folder / f"{doubled.stem}_before.webp"), _write(after, folder / f"{doubled.stem}_after.webp")


def upright(image: Image.Image) -> Image.Image:
    """The first frame as RGB or RGBA, turned as EXIF says, with nothing but its colour profile."""
    profile = image.info.get("icc_profile")
    upright = ImageOps.exif_transpose(image).convert("RGBA" if image.has_transparency_data else "RGB")
    upright.info = {"icc_profile": profile} if profile and image.mode != "CMYK" else {}
    return upright


def _write(image: Image.Image, path: Path) -> Path:
    image.save(path, quality=QUALITY, method=1, icc_profile=image.info.get("icc_profile"))
    return path
