"""Full-resolution detail of a picture before and after upscaling."""

from math import ceil, floor
from pathlib import Path

from PIL import Image

from apps.serving.viewer.opening import in_pillow, opened

SIZE = (480, 320)  # pixels of the upscaled picture
MARGIN = 2  # source pixels around a detail that bicubic interpolation needs
Box = tuple[int, int, int, int]


def write_place(source: Path, doubled: Path, across: float, down: float, before: Path, after: Path) -> None:
    """Write the detail at `across` and `down`, in [0, 1], of bicubically upscaled `source` and of `doubled`.

    Both files have the resolution of the upscaled picture. Raises OSError if a picture does not exist, PictureError if
    memory is short.
    """
    large, small = opened(doubled), opened(source)
    box = box_around((large.width, large.height), across, down)
    detail_after = in_pillow(large.crop(*corner_and_size(box)))
    x, y = small.width / large.width, small.height / large.height
    left, top, right, bottom = box[0] * x, box[1] * y, box[2] * x, box[3] * y
    region = (
        max(floor(left) - MARGIN, 0),
        max(floor(top) - MARGIN, 0),
        min(ceil(right) + MARGIN, small.width),
        min(ceil(bottom) + MARGIN, small.height),
    )
    box_in_region = (left - region[0], top - region[1], right - region[0], bottom - region[1])
    detail_before = in_pillow(small.crop(*corner_and_size(region)))
    detail_before = detail_before.resize(detail_after.size, Image.Resampling.BICUBIC, box=box_in_region)
    for image, path in ((detail_before, before), (detail_after, after)):
        image.save(path, compress_level=1, icc_profile=image.info.get("icc_profile"))


def box_around(size: tuple[int, int], across: float, down: float) -> Box:
    """Return (left, top, right, bottom) of a box of SIZE around a point, shifted into a picture of `size`."""
    starts, ends = [], []
    for side, most, share in zip(size, SIZE, (across, down), strict=True):
        length = min(side, most)
        starts.append(min(max(round(side * share - length / 2), 0), side - length))
        ends.append(starts[-1] + length)
    return starts[0], starts[1], ends[0], ends[1]


def corner_and_size(box: Box) -> Box:
    """Convert a box to (left, top, width, height), the arguments of libvips."""
    left, top, right, bottom = box
    return left, top, right - left, bottom - top
