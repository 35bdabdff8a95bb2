"""Loupe: the same detail of both pictures, at full resolution."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from apps.ui import loupe
from support.pictures import photo_like
from upscaler import bicubic

SIDES = st.integers(1, 2000)
SHARES = st.floats(-0.5, 1.5)


@settings(max_examples=50, deadline=None)
@given(st.tuples(SIDES, SIDES), SHARES, SHARES)
def test_the_box_is_inside_the_picture(size: tuple[int, int], across: float, down: float) -> None:
    left, top, right, bottom = loupe.box_around(size, across, down)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert (right - left, bottom - top) == (min(size[0], 480), min(size[1], 320))


def place(source: Path, doubled: Path, across: float, down: float) -> list[NDArray[np.int_]]:
    """Return the detail before and after, HWC."""
    paths = [doubled.with_name("before.png"), doubled.with_name("after.png")]
    loupe.write_place(source, doubled, across, down, *paths)
    return [np.asarray(Image.open(path)).astype(int) for path in paths]


def test_both_details_show_the_clicked_point_exactly(tmp_path: Path) -> None:
    source, doubled = tmp_path / "a.png", tmp_path / "a_2x.png"
    small, large = photo_like(300, 400), photo_like(600, 800, seed=1)
    Image.fromarray(small).save(source)
    Image.fromarray(large).save(doubled)
    before, after = place(source, doubled, 0.5, 0.5)
    assert np.array_equal(after, large[140:460, 160:640])
    difference = before - bicubic.double(small)[140:460, 160:640]
    assert np.abs(difference[4:-4, 4:-4]).max() <= 1  # the box's edges lack pixels beyond it


def test_a_rotated_photo_is_compared_upright(tmp_path: Path) -> None:
    source, doubled = tmp_path / "a.jpg", tmp_path / "a_2x.png"
    upright = photo_like(300, 200)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(upright).copy()).save(source, exif=exif, quality=100, subsampling=0)
    Image.fromarray(bicubic.double(upright)).save(doubled)
    before, after = place(source, doubled, 1, 1)
    assert before.shape == after.shape == (320, 400, 3)
    assert np.abs(before - after)[4:-4, 4:-4].mean() < 3
