"""The order in which epochs go through the tiles: shards are shuffled, then the tiles of a group of shards."""

from bisect import bisect_right
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from feature_pipeline import tile_index

GROUP = tile_index.CACHED  # shards at most: about 13,000 tiles

Numbers = NDArray[np.int64]


class Order:
    """Numbers of tiles by place, over endless epochs, of which each has every tile once.

    Reading stays within a group of shards for a while, so memory depends on the number of shards and on the size of a
    group, not on the number of tiles. Up to 32 shards are one group, whose tiles are all shuffled together.
    """

    def __init__(self, sizes: Numbers, seed: int) -> None:
        """sizes: number of tiles in each shard."""
        self._sizes, self._seed, self._tiles = sizes, seed, int(sizes.sum())
        self._starts = sizes.cumsum() - sizes
        # Two of each, as a batch may span two groups and two epochs
        self._groups_of = lru_cache(2)(self._drawn_groups)
        self._numbers_of = lru_cache(2)(self._drawn_numbers)

    def __getitem__(self, place: int) -> int:
        epoch, place = divmod(place, self._tiles)
        _, ends = self._groups_of(epoch)
        group = bisect_right(ends, place)
        return int(self._numbers_of(epoch, group)[place - ends[group]])  # from the group's end, so below 0

    def _drawn_groups(self, epoch: int) -> tuple[list[Numbers], list[int]]:
        """Return the shards of each group, and the place in the epoch at which it ends."""
        count = -(-len(self._sizes) // GROUP)
        shuffled = self._rng(epoch, self._tiles, count).permutation(len(self._sizes))
        groups = [np.sort(group) for group in np.array_split(shuffled, count)]
        return groups, list(accumulate(int(self._sizes[group].sum()) for group in groups))

    def _drawn_numbers(self, epoch: int, group: int) -> Numbers:
        chosen = self._groups_of(epoch)[0][group]
        spans = zip(self._starts[chosen], self._sizes[chosen], strict=True)
        numbers = np.concatenate([np.arange(start, start + size) for start, size in spans])
        return numbers[self._rng(epoch, len(numbers), group).permutation(len(numbers))]

    def _rng(self, epoch: int, *key: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, epoch, *key])
