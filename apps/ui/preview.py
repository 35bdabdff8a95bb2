"""Pictures for the browser to compare: before and after, of one size that it can hold."""

from pathlib import Path

from PIL import Image

from apps.ui.opening import in_pillow, shrunk

MOST_SIDE = 2048  # pixels
QUALITY = 90


def write_pair(source: Path, doubled: Path, folder: Path) -> tuple[Path, Path]:
    """Write the bicubic doubling of `source` and the picture in `doubled`, at one size of at most 2048 a side."""
    after = in_pillow(shrunk(doubled, MOST_SIDE))
    before = in_pillow(shrunk(source, MOST_SIDE)).resize(after.size, Image.Resampling.BICUBIC)
    return _write(before, folder / f"{doubled.stem}_before.webp"), _write(after, folder / f"{doubled.stem}_after.webp")


def _write(image: Image.Image, path: Path) -> Path:
    image.save(path, quality=QUALITY, method=1, icc_profile=image.info.get("icc_profile"))
    return path
