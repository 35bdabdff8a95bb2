"""A picture -> tile pairs: 256x256 cut from it, and the same place in the picture halved as a whole."""

import hashlib
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from feature_pipeline.manifest import Box
from upscaler.bicubic import double, halve
from upscaler.pixels import Pixels

SIZE = 256

# A tile that crosses one of these bounds teaches nothing; all are in levels of 255 unless said otherwise.
DARK, LIGHT = 8, 250  # luma below or above is counted as black or saturated
MOST = 0.75  # ... and this share of such pixels turns a tile down
FLAT = 4.0  # standard deviation of luma
BLURRED = 1.0  # root mean square of what halving and bicubic doubling loses: 48 dB


@dataclass(frozen=True)
class TilePair:
    """`large` 256x256x3 lies at `box` in the picture; `small` 128x128x3 is the same place of the halved picture."""

    box: Box
    small: Pixels
    large: Pixels


def cut(picture: Pixels, most: int, seed: str) -> tuple[list[TilePair], Counter[str]]:
    """Cut up to `most` tile pairs that do not overlap; the counter says why other places were turned down.

    `picture` is HWC uint8 RGB. Where the tiles lie depends on the picture's size and on `seed` alone.
    """
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]))
    halved = halve(picture) if min(picture.shape[:2]) >= SIZE else picture
    taken: list[TilePair] = []
    rejected: Counter[str] = Counter()
    for box in places(picture.shape[1], picture.shape[0], rng):
        if len(taken) == most:
            break
        pair = cut_pair(picture, halved, box)
        if reason := rejection(pair.large, pair.small):
            rejected[reason] += 1
        else:
            taken.append(pair)
    return taken, rejected


def places(width: int, height: int, rng: np.random.Generator) -> list[Box]:
    """Boxes of a grid as large as fits, shifted at random, in random order; all coordinates are even."""
    columns, rows = width // SIZE, height // SIZE
    if not columns or not rows:
        return []
    left, top = (2 * rng.integers((side % SIZE) // 2 + 1) for side in (width, height))
    corners = [(int(left) + SIZE * column, int(top) + SIZE * row) for row in range(rows) for column in range(columns)]
    return [(x, y, x + SIZE, y + SIZE) for x, y in (corners[i] for i in rng.permutation(len(corners)))]


def rejection(large: Pixels, small: Pixels) -> str | None:
    """Why a tile teaches nothing, or None if it does."""
    luma = _luma(large)
    if np.mean(luma < DARK) > MOST:
        return "black"
    if np.mean(luma > LIGHT) > MOST:
        return "saturated"
    if luma.std() < FLAT:
        return "flat"
    lost = luma - _luma(double(small))
    return "blurred" if np.sqrt(np.mean(lost**2)) < BLURRED else None


def cut_pair(picture: Pixels, halved: Pixels, box: Box) -> TilePair:
    """Cut one pair; all coordinates of `box` are even, so that the same place is in the halved picture."""
    left, top, right, bottom = box
    large = picture[top:bottom, left:right]
    return TilePair(box, halved[top // 2 : bottom // 2, left // 2 : right // 2], large)


def _luma(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(pixels).convert("L"), np.float32)  # Rec. 601
