"""One place of a picture at full resolution, before and after."""

from pathlib import Path

from PIL import Image

from apps.ui.preview import upright

SIZE = (480, 320)  # pixels of the doubled picture
Box = tuple[int, int, int, int]


def write_place(source: Path, doubled: Path, across: float, down: float) -> tuple[Path, Path]:
    """Write the place at `across` and `down`, shares in [0, 1], of the bicubic doubling of `source` and of `doubled`.

    One pixel of the files is one pixel of the doubled picture; they stand beside it. Raises OSError if it is gone.
    """
    with Image.open(doubled) as image:
        box = box_around(image.size, across, down)
        after = upright(image.crop(box))
        width, height = image.size
    with Image.open(source) as image:
        small = upright(image)
    x, y = small.width / width, small.height / height
    left, top, right, bottom = box
    same_place = (left * x, top * y, right * x, bottom * y)
    before = small.resize(after.size, Image.Resampling.BICUBIC, box=same_place)
    place = f"{box[0]}_{box[1]}"  # a name of its own, or the browser would show the last place from its cache
    return _write(before, doubled, f"before_{place}"), _write(after, doubled, f"after_{place}")


def box_around(size: tuple[int, int], across: float, down: float) -> Box:
    """Left, top, right, bottom of a box of SIZE around a place, moved to lie within a picture of this size."""
    starts, ends = [], []
    for side, most, share in zip(size, SIZE, (across, down), strict=True):
        length = min(side, most)
        starts.append(min(max(round(side * share - length / 2), 0), side - length))
        ends.append(starts[-1] + length)
    return starts[0], starts[1], ends[0], ends[1]


def _write(image: Image.Image, beside: Path, name: str) -> Path:
    path = beside.with_name(f"{beside.stem}_{name}.png")
    image.save(path, compress_level=1, icc_profile=image.info.get("icc_profile"))
    return path
