"""Previews before and after upscaling, at one size, for comparison in the browser."""

from pathlib import Path

from PIL import Image

from apps.serving.viewer.opening import in_pillow, shrunk

MOST_SIDE = 2048  # pixels
QUALITY = 90


def write_pair(source: Path, doubled: Path, before: Path, after: Path) -> None:
    """Write bicubically upscaled `source` and the picture `doubled`, both at one size of at most 2048 pixels a side."""
    large = in_pillow(shrunk(doubled, MOST_SIDE))
    small = in_pillow(shrunk(source, MOST_SIDE)).resize(large.size, Image.Resampling.BICUBIC)
    for image, path in ((small, before), (large, after)):
        image.save(path, quality=QUALITY, method=1, icc_profile=image.info.get("icc_profile"))
