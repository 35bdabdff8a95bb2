"""Detection of constant regions, which are copied, not inferred: a network may turn white into 254."""

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from upscaler.pixels import Pixels


def is_flat(picture: Pixels) -> bool:
    """Return True if all pixels of a picture, HWC, are equal."""
    first = picture[:1, :1]
    return all(bool((row == first).all()) for row in picture)


def is_neutral(picture: Pixels) -> bool:
    """Return True if every pixel of a picture, HWC, is gray."""
    return all(bool((row == row[:, :1]).all()) for row in picture)


def flat_places(padded: Pixels, radius: int) -> NDArray[np.bool_]:
    """Return a mask of pixels whose neighbourhood of `radius` is constant: HWC -> (H - 2 radius)(W - 2 radius).

    A neighbourhood is constant if none of its pixels differs from its neighbours below, to the right and diagonally.
    """
    corner = padded[:-1, :-1]
    differs = (corner != padded[1:, :-1]) | (corner != padded[:-1, 1:]) | (corner != padded[1:, 1:])
    changes = reduce(np.bitwise_or, np.moveaxis(differs, 2, 0))
    sums = np.zeros(padded.shape[:2], np.int32)  # summed-area table: the sum of any block in four look-ups
    changes.cumsum(axis=0, out=sums[1:, 1:], dtype=np.int32).cumsum(axis=1, out=sums[1:, 1:])
    side = 2 * radius
    blocks = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    flat: NDArray[np.bool_] = blocks == 0
    return flat
