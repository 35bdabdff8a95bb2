"""Where a picture is flat: there the network's result is known, and a white page must not come out as 254."""

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from upscaler.pixels import Pixels


def is_flat(picture: Pixels) -> bool:
    """Whether all pixels of a picture, HWC, are equal."""
    first = picture[:1, :1]
    return all(bool((row == first).all()) for row in picture)


def is_neutral(picture: Pixels) -> bool:
    """Whether every pixel of a picture, HWC, is gray."""
    return all(bool((row == row[:, :1]).all()) for row in picture)


def flat_places(seen: Pixels, radius: int) -> NDArray[np.bool_]:
    """Whether all pixels within `radius` of a pixel, on both axes, are equal: HWC -> (H - 2 radius)(W - 2 radius).

    A block is flat if no pixel in it differs from its neighbours below, to the right, and across.
    """
    corner = seen[:-1, :-1]
    differs = (corner != seen[1:, :-1]) | (corner != seen[:-1, 1:]) | (corner != seen[1:, 1:])
    changes = reduce(np.bitwise_or, np.moveaxis(differs, 2, 0))
    sums = np.zeros(seen.shape[:2], np.int32)  # of all above and to the left: a block's sum in four look-ups
    changes.cumsum(axis=0, out=sums[1:, 1:], dtype=np.int32).cumsum(axis=1, out=sums[1:, 1:])
    side = 2 * radius
    blocks = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    flat: NDArray[np.bool_] = blocks == 0
    return flat
