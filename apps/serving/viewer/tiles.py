"""Tiles of a picture before and after upscaling, for the viewer; libvips streams pictures of any size."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from apps.serving.viewer.comparison import TILE, Comparison
from apps.serving.viewer.opening import in_srgb, opened
from upscaler.errors import PictureError
from upscaler.pictures.vips import pyvips

_VIEW = (1200, 640)  # pixels of the result, about the size of a view
_CELL = 16  # pixels a side over which the difference is averaged first
_OPAQUE = ".jpg[Q=90,subsample_mode=off,keep=none]"
_TRANSPARENT = ".png[compression=1,filter=sub,keep=none]"  # 5 times as fast as WebP, whose colours are halved


def write(source: Path, doubled: Path, folder: Path) -> Comparison:
    """Write the tiles of the picture `source` and of the upscaled picture `doubled` into a new folder.

    The levels are those of Deep Zoom: `<original or upscaled>/<level>/<column>_<row><suffix>`, level 0 fits into one
    tile, the last one has full size. 12 megapixels and their 48 take 2 s and 150 MB on two cores.

    Raises OSError if a file does not exist, PictureError if memory is short or a picture cannot be shown.
    """
    folder.mkdir()
    try:
        return _write(source, doubled, folder)
    except pyvips.Error as error:  # the disk is full, or libvips refuses what Pillow reads
        raise PictureError(f"{doubled.name} cannot be shown; download it instead") from error


def _write(source: Path, doubled: Path, folder: Path) -> Comparison:
    original, upscaled = opened(source), opened(doubled)
    transparent = original.hasalpha() or upscaled.hasalpha()
    suffix = _TRANSPARENT if transparent else _OPAQUE
    for name, picture in (("original", original), ("upscaled", upscaled)):
        _write_levels(in_srgb(picture), folder / name, suffix)
    return Comparison(
        size=(original.width, original.height),
        doubled_size=(upscaled.width, upscaled.height),
        suffix=suffix.partition("[")[0],
        transparent=transparent,
        spot=spot(opened(source), opened(doubled)),  # again, because they are read once, from top to bottom
    )


def _write_levels(picture: pyvips.Image, folder: Path, suffix: str) -> None:
    picture.dzsave(str(folder), suffix=suffix, tile_size=TILE, overlap=0, depth="onetile")
    folder.with_suffix(".dzi").unlink()
    folder.with_name(f"{folder.name}_files").rename(folder)
    (folder / "vips-properties.xml").unlink()  # metadata


def spot(original: pyvips.Image, upscaled: pyvips.Image) -> tuple[float, float]:
    """Find the centre of the view in which `upscaled` and the bilinearly enlarged original differ most.

    Returns shares of width and height in [0, 1]; the green channels are compared, over the same background.
    """
    before, after = _green(original), _green(upscaled)
    across, down = after.width / before.width, after.height / before.height
    enlarged = before.resize(across, vscale=down, kernel="linear")
    difference = (enlarged - after).abs()
    means = difference.shrink(_CELL, _CELL, ceil=True)
    return centre_of_most(means.numpy().reshape(means.height, means.width), (after.width, after.height))


def centre_of_most(cells: NDArray[np.generic], size: tuple[int, int]) -> tuple[float, float]:
    """Return the centre, as shares of a picture of `size`, of the view in which the mean of `cells` is greatest."""
    wide, high = (min(length // _CELL, most) for length, most in zip(_VIEW, cells.shape[::-1], strict=True))
    sums = np.pad(cells.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    boxes = sums[high:, wide:] - sums[:-high, wide:] - sums[high:, :-wide] + sums[:-high, :-wide]
    top, left = np.unravel_index(boxes.argmax(), boxes.shape)
    x, y = (_CELL * (start + length / 2) for start, length in ((int(left), wide), (int(top), high)))
    return min(x / size[0], 1.0), min(y / size[1], 1.0)


def _green(image: pyvips.Image) -> pyvips.Image:
    """Return one channel in [0, 255]: green or gray, over a background of medium gray."""
    if image.format == "ushort":
        image = (image >> 8).cast("uchar")
    if image.hasalpha():
        image = image.flatten(background=[128] * (image.bands - 1))
    return image[min(1, image.bands - 1)]
