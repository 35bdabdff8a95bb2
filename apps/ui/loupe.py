"""One place of a picture at full resolution, before and after."""

from math import ceil, floor
from pathlib import Path

from PIL import Image

from apps.ui.opening import in_pillow, opened

SIZE = (480, 320)  # pixels of the doubled picture
REACH = 2  # pixels around a place that bicubic interpolation looks at
Box = tuple[int, int, int, int]


def write_place(source: Path, doubled: Path, across: float, down: float, before: Path, after: Path) -> None:
    """Write the place at `across` and `down`, shares in [0, 1], of the bicubic doubling of `source` and of `doubled`.

    One pixel of the files is one pixel of the doubled picture. Raises OSError if a picture is gone, PictureError if
    memory does not allow a look.
    """
    large, small = opened(doubled), opened(source)
    box = box_around((large.width, large.height), across, down)
    seen_after = in_pillow(large.crop(*corner_and_size(box)))
    x, y = small.width / large.width, small.height / large.height
    left, top, right, bottom = box[0] * x, box[1] * y, box[2] * x, box[3] * y
    seen = (
        max(floor(left) - REACH, 0),
        max(floor(top) - REACH, 0),
        min(ceil(right) + REACH, small.width),
        min(ceil(bottom) + REACH, small.height),
    )
    same_place = (left - seen[0], top - seen[1], right - seen[0], bottom - seen[1])
    seen_before = in_pillow(small.crop(*corner_and_size(seen)))
    seen_before = seen_before.resize(seen_after.size, Image.Resampling.BICUBIC, box=same_place)
    for image, path in ((seen_before, before), (seen_after, after)):
        image.save(path, compress_level=1, icc_profile=image.info.get("icc_profile"))


def box_around(size: tuple[int, int], across: float, down: float) -> Box:
    """Left, top, right, bottom of a box of SIZE around a place, moved to lie within a picture of this size."""
    starts, ends = [], []
    for side, most, share in zip(size, SIZE, (across, down), strict=True):
        length = min(side, most)
        starts.append(min(max(round(side * share - length / 2), 0), side - length))
        ends.append(starts[-1] + length)
    return starts[0], starts[1], ends[0], ends[1]


def corner_and_size(box: Box) -> Box:
    """Left, top, width, height of a box: libvips' way to say it."""
    left, top, right, bottom = box
    return left, top, right - left, bottom - top
