"""Choice of the shape of a picture's windows: the one with which it takes the least time.

Windows that divide a picture evenly hardly overlap, but for their halos. OpenVINO compiles a network for each shape, so
that small pictures share a few squares there.
"""

from collections.abc import Iterator
from functools import lru_cache
from itertools import product, starmap
from math import prod

from upscaler.tiling import Shape, count, parts

# Over common and random sizes of 16 to 2,000 pixels, no other three save more beside 256
_SHARED = (160, 48, 32)
# Pixels that a core computes in the time of one more compilation, 0.1 to 0.2 s: with AVX2, 30,000 of `best` and 40,000
# of `fast` in int8
_COMPILATION = 40_000
_LEAST = 32  # side, in pixels: below, the halo is most of a window
_STEP = 2  # pixels; Winograd convolutions, in blocks of 4, compute more for odd sides


@lru_cache
def best_shape(height: int, width: int, largest: int, halo: int, at_once: int, compiled: bool) -> Shape:
    """Return the shape of a picture's windows, at most `largest` a side.

    at_once: windows that are computed at a time. compiled: whether each shape has to be. It depends on nothing but
    these, so that a picture always gives the same result.
    """

    def cost(shape: Shape) -> int:
        return parts(count(height, width, shape), at_once) * prod(shape.with_halo(halo))

    evenly = min(starmap(Shape, product(*(_even(side, largest, at_once) for side in (height, width)))), key=cost)
    if not compiled:
        return evenly
    shared = min((Shape(side, side) for side in (largest, *_SHARED) if side <= largest), key=cost)
    return evenly if cost(evenly) + _COMPILATION < cost(shared) else shared


def _even(length: int, largest: int, at_once: int) -> Iterator[int]:
    """Divide a length into equal parts: as few as possible, and more to occupy all that is computed at once."""
    fewest = parts(length, largest)
    for number in range(fewest, fewest + at_once):
        side = _STEP * parts(length, _STEP * number)
        if number == fewest or side >= _LEAST:
            yield side
