"""Tile pairs: HR tiles of 256x256 pixels, and the same places of the picture downscaled as a whole."""

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

# Limits outside of which a tile is rejected as uninformative, in 8-bit levels
DARK, LIGHT = 8, 250  # luma below is black, above saturated
MOST = 0.75  # share of black or of saturated pixels
FLAT = 4.0  # standard deviation of luma
BLURRED = 1.0  # RMS error of bicubic upscaling from the LR tile: 48 dB


@dataclass(frozen=True)
class TilePair:
    """An HR tile, 256x256x3 at `box` in the picture, and the LR tile, 128x128x3 of the downscaled picture."""

    box: Box
    lr: Pixels
    hr: Pixels


def cut(picture: Pixels, most: int, seed: str) -> tuple[list[TilePair], Counter[str]]:
    """Cut up to `most` tile pairs that do not overlap, and count the rejected ones by reason.

    `picture` is HWC uint8 RGB. The positions depend only on the picture's size and on `seed`.
    """
    rng = generator(seed)
    halved = halve(picture) if min(picture.shape[:2]) >= SIZE else picture
    taken: list[TilePair] = []
    rejected: Counter[str] = Counter()
    for box in places(picture.shape[1], picture.shape[0], rng):
        if len(taken) == most:
            break
        pair = cut_pair(picture, halved, box)
        if reason := rejection(pair.hr, pair.lr):
            rejected[reason] += 1
        else:
            taken.append(pair)
    return taken, rejected


def generator(seed: str) -> np.random.Generator:
    """Return a random generator for a text."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]))


def places(width: int, height: int, rng: np.random.Generator) -> list[Box]:
    """Return the boxes of the largest grid that fits, randomly shifted and ordered; all coordinates are even."""
    columns, rows = width // SIZE, height // SIZE
    if not columns or not rows:
        return []
    left, top = (2 * rng.integers((side % SIZE) // 2 + 1) for side in (width, height))
    corners = [(int(left) + SIZE * column, int(top) + SIZE * row) for row in range(rows) for column in range(columns)]
    return [(x, y, x + SIZE, y + SIZE) for x, y in (corners[i] for i in rng.permutation(len(corners)))]


def rejection(hr: Pixels, lr: Pixels) -> str | None:
    """Return the reason to reject a tile, or None."""
    luma = _luma(hr)
    if np.mean(luma < DARK) > MOST:
        return "black"
    if np.mean(luma > LIGHT) > MOST:
        return "saturated"
    if luma.std() < FLAT:
        return "flat"
    lost = luma - _luma(double(lr))
    return "blurred" if np.sqrt(np.mean(lost**2)) < BLURRED else None


def cut_pair(picture: Pixels, halved: Pixels, box: Box) -> TilePair:
    """Cut one pair; all coordinates of `box` must be even, so that they have a place in the downscaled picture."""
    left, top, right, bottom = box
    hr = picture[top:bottom, left:right]
    return TilePair(box, halved[top // 2 : bottom // 2, left // 2 : right // 2], hr)


def _luma(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(Image.fromarray(pixels).convert("L"), np.float32)  # Rec. 601
