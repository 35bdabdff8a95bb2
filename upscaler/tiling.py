"""Tiling of a picture into windows with a halo.

A window is a rectangle of the LR picture that the network upscales in one run. Its input is padded by a halo as wide as
the network's receptive radius, so every output pixel depends on the same input pixels as without tiling: no seams.
All windows of a picture have one shape, as even a share of it as whole pixels allow, so that they hardly overlap.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from upscaler.pixels import Pixels


@dataclass(frozen=True)
class Window:
    """A rectangle of the LR picture with its upper left corner at (`top`, `left`)."""

    top: int
    left: int
    height: int
    width: int


def windows(height: int, width: int, size: int) -> Iterator[Window]:
    """Cover a picture with windows of at most `size` pixels a side, row by row.

    The last of each row and column is shifted inwards to fit.
    """
    high, wide = side(height, size), side(width, size)
    for top in _starts(height, high):
        for left in _starts(width, wide):
            yield Window(top, left, high, wide)


def count(height: int, width: int, size: int) -> int:
    """Return the number of windows that cover a picture."""
    return _along(height, size) * _along(width, size)


def side(length: int, size: int) -> int:
    """Return the side of the windows along a picture's side of `length`: at most `size`, and at most `length`."""
    return math.ceil(length / _along(length, size))


def read_window(picture: Pixels, window: Window, halo: int) -> Pixels:
    """Read a window with its halo: HWC -> (height + 2 halo)(width + 2 halo)C, extended beyond the picture's border."""
    top, left = window.top - halo, window.left - halo
    bottom, right = top + window.height + 2 * halo, left + window.width + 2 * halo
    height, width = picture.shape[:2]
    if min(top, left) >= 0 and bottom <= height and right <= width:
        return picture[top:bottom, left:right]
    rows, columns = extended(np.arange(top, bottom), height), extended(np.arange(left, right), width)
    return picture[rows[:, np.newaxis], columns]


def write_window(doubled: Pixels, window: Window, result: Pixels) -> None:
    """Write a window's result, (2 height)(2 width)C, into the upscaled picture."""
    rows = slice(2 * window.top, 2 * (window.top + window.height))
    doubled[rows, 2 * window.left : 2 * (window.left + window.width)] = result


def extended(positions: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Map positions on the extended line to pixel indices of a line of `length`.

    The line is reflected about its end pixels once, then its far end is repeated: for length 3, positions -4..5 ->
    2 2 2 1 0 1 2 1 0 0.
    """
    last = length - 1
    mirrored = np.where(positions < 0, -positions, np.where(positions > last, 2 * last - positions, positions))
    return np.clip(mirrored, 0, last)


def _along(length: int, size: int) -> int:
    return math.ceil(length / size)


def _starts(length: int, side: int) -> list[int]:
    return [*range(0, length - side, side), length - side]
