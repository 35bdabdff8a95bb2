"""Where the windows of a picture lie, and what each one sees.

A window is a rectangle of the small picture that the network doubles in one go. It sees a halo as wide as the
network's receptive radius around itself: so each doubled pixel depends on the same pixels as it would if the
picture were doubled whole, and no seam can exist.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from upscaler.pixels import Pixels


@dataclass(frozen=True)
class Window:
    """A window of `size` x `size` pixels whose upper left corner is (`top`, `left`) in the small picture."""

    top: int
    left: int
    size: int


def windows(height: int, width: int, size: int) -> Iterator[Window]:
    """Cover a picture with windows, row by row; the last of a row or column is moved inwards to fit."""
    for top in _starts(height, size):
        for left in _starts(width, size):
            yield Window(top, left, size)


def count(height: int, width: int, size: int) -> int:
    """Return the number of windows that cover a picture, without a list of them."""
    return _along(height, size) * _along(width, size)


def read_window(picture: Pixels, window: Window, halo: int) -> Pixels:
    """What the network sees of a window: HWC -> (size + 2 halo)(size + 2 halo)C, extended beyond the picture."""
    top, left, side = window.top - halo, window.left - halo, window.size + 2 * halo
    inside = picture[max(top, 0) : top + side, max(left, 0) : left + side]
    if inside.shape[:2] == (side, side):
        return inside
    height, width = picture.shape[:2]
    rows, columns = extended(np.arange(top, top + side), height), extended(np.arange(left, left + side), width)
    return picture[rows[:, np.newaxis], columns]


def write_window(doubled: Pixels, window: Window, result: Pixels) -> None:
    """Put a window's result, (2 size)(2 size)C, in its place in the doubled picture; what juts out is left."""
    place = doubled[2 * window.top :, 2 * window.left :][: 2 * window.size, : 2 * window.size]
    place[:] = result[: place.shape[0], : place.shape[1]]


def extended(positions: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """The pixel of a line of `length` that stands at each position of the extended line.

    Outside, the line is mirrored about its end pixels as far as there are pixels, then the last one is repeated:
    for length 3, positions -4..5 -> 2 2 2 1 0 1 2 1 0 0.
    """
    last = length - 1
    mirrored = np.where(positions < 0, -positions, np.where(positions > last, 2 * last - positions, positions))
    return np.clip(mirrored, 0, last)


def _along(length: int, size: int) -> int:
    return len(range(0, max(length - size, 0), size)) + 1


def _starts(length: int, size: int) -> list[int]:
    last = max(length - size, 0)
    return [*range(0, last, size), last]
