"""Tiling of a picture into windows with a halo.

A window is a rectangle of the LR picture that the network upscales in one run. Its input is padded by a halo as wide as
the network's receptive radius, so every output pixel depends on the same input pixels as without tiling: no seams.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from upscaler.pixels import Pixels


class Shape(NamedTuple):
    """Height and width of windows, in pixels of the LR picture."""

    height: int
    width: int

    def with_halo(self, halo: int) -> "Shape":
        """Return the shape of the input: a halo wider on each side."""
        return Shape(self.height + 2 * halo, self.width + 2 * halo)


@dataclass(frozen=True)
class Window:
    """A rectangle of the LR picture with its upper left corner at (`top`, `left`)."""

    top: int
    left: int
    shape: Shape


def windows(height: int, width: int, shape: Shape) -> Iterator[Window]:
    """Cover a picture with windows, row by row; the last of each row and column is shifted inwards to fit."""
    for top in _starts(height, shape.height):
        for left in _starts(width, shape.width):
            yield Window(top, left, shape)


def count(height: int, width: int, shape: Shape) -> int:
    """Return the number of windows that cover a picture."""
    return parts(height, shape.height) * parts(width, shape.width)


def parts(length: int, size: int) -> int:
    """Return the number of parts of a size that cover a line of pixels."""
    return -(-length // size)


def rows_done(height: int, shape: Shape, share: float) -> int:
    """Return the rows, from the top, that no window writes any more when a share of the windows is done, 0 to 1."""
    ends = [0, *_starts(height, shape.height)[1:], height]  # the last row of windows may overlap the one before
    return ends[int(share * (len(ends) - 1) + 1e-6)]


def read_window(picture: Pixels, window: Window, halo: int) -> Pixels:
    """Read a window with its halo: HWC -> (h + 2 halo)(w + 2 halo)C, extended beyond the picture's border."""
    top, left = window.top - halo, window.left - halo
    shape = window.shape.with_halo(halo)
    inside = picture[max(top, 0) : top + shape.height, max(left, 0) : left + shape.width]
    if inside.shape[:2] == shape:
        return inside
    height, width = picture.shape[:2]
    rows = extended(np.arange(top, top + shape.height), height)
    columns = extended(np.arange(left, left + shape.width), width)
    return picture[rows[:, np.newaxis], columns]


def write_window(doubled: Pixels, window: Window, result: Pixels) -> None:
    """Write a window's result, (2h)(2w)C, into the upscaled picture, clipped to its border."""
    height, width = window.shape
    place = doubled[2 * window.top :, 2 * window.left :][: 2 * height, : 2 * width]
    place[:] = result[: place.shape[0], : place.shape[1]]


def extended(positions: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Map positions on the extended line to pixel indices of a line of `length`.

    The line is reflected about its end pixels once, then its far end is repeated: for length 3, positions -4..5 ->
    2 2 2 1 0 1 2 1 0 0.
    """
    last = length - 1
    mirrored = np.where(positions < 0, -positions, np.where(positions > last, 2 * last - positions, positions))
    return np.clip(mirrored, 0, last)


def _starts(length: int, size: int) -> list[int]:
    last = max(length - size, 0)
    return [*range(0, last, size), last]
