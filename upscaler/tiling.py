"""Tiling of a picture into windows with a halo.

A window is a square of the LR picture that the network upscales in one run. Its input is padded by a halo as wide as
the network's receptive radius, so every output pixel depends on the same input pixels as without tiling: no seams.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from upscaler.pixels import Pixels

# Over common and random sizes of 16 to 2,000 pixels, no other three save more beside 256. Each takes 5 to 14 MB in
# OpenVINO once it is used, and 0.05 to 0.14 s to compile
_SMALLER = (160, 48, 32)


@dataclass(frozen=True)
class Window:
    """A square of `size` x `size` pixels of the LR picture with its upper left corner at (`top`, `left`)."""

    top: int
    left: int
    size: int


def windows(height: int, width: int, size: int) -> Iterator[Window]:
    """Cover a picture with windows, row by row; the last of each row and column is shifted inwards to fit."""
    for top in _starts(height, size):
        for left in _starts(width, size):
            yield Window(top, left, size)


def sizes_up_to(largest: int) -> tuple[int, ...]:
    """Return the sizes that windows may have, largest first."""
    return largest, *(size for size in _SMALLER if size < largest)


def cheapest(height: int, width: int, sizes: Sequence[int], halo: int) -> int:
    """Return the size of the windows that cover a picture with the fewest computed pixels, their halos included.

    It depends on nothing but the picture's size, so that a picture always gives the same result.
    """
    return min(sizes, key=lambda size: count(height, width, size) * (size + 2 * halo) ** 2)


def count(height: int, width: int, size: int) -> int:
    """Return the number of windows that cover a picture."""
    return _along(height, size) * _along(width, size)


def read_window(picture: Pixels, window: Window, halo: int) -> Pixels:
    """Read a window with its halo: HWC -> (size + 2 halo)(size + 2 halo)C, extended beyond the picture's border."""
    top, left, side = window.top - halo, window.left - halo, window.size + 2 * halo
    inside = picture[max(top, 0) : top + side, max(left, 0) : left + side]
    if inside.shape[:2] == (side, side):
        return inside
    height, width = picture.shape[:2]
    rows, columns = extended(np.arange(top, top + side), height), extended(np.arange(left, left + side), width)
    return picture[rows[:, np.newaxis], columns]


def write_window(doubled: Pixels, window: Window, result: Pixels) -> None:
    """Write a window's result, (2 size)(2 size)C, into the upscaled picture, clipped to its border."""
    place = doubled[2 * window.top :, 2 * window.left :][: 2 * window.size, : 2 * window.size]
    place[:] = result[: place.shape[0], : place.shape[1]]


def extended(positions: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Map positions on the extended line to pixel indices of a line of `length`.

    The line is reflected about its end pixels once, then its far end is repeated: for length 3, positions -4..5 ->
    2 2 2 1 0 1 2 1 0 0.
    """
    last = length - 1
    mirrored = np.where(positions < 0, -positions, np.where(positions > last, 2 * last - positions, positions))
    return np.clip(mirrored, 0, last)


def _along(length: int, size: int) -> int:
    return len(range(0, max(length - size, 0), size)) + 1


def _starts(length: int, size: int) -> list[int]:
    last = max(length - size, 0)
    return [*range(0, last, size), last]
