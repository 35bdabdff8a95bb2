"""Batches of crops; the seed and the step determine a batch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from feature_pipeline.tile_index import TileIndex
from training_pipeline import crops, data
from training_pipeline.config import TrainingConfig
from training_pipeline.crops import Crops, TilePair
from training_pipeline.decoded import DecodedTiles
from training_pipeline.order import Order

Batch = tuple[Tensor, Tensor]

CROPS = 4  # from each decoded tile
ALL = slice(None)


def of(tiles: TileIndex, config: TrainingConfig, part: slice = ALL) -> "Batches":
    """Return the batches of a run on the training tiles, or a part of each."""
    return Batches(tiles, config.batch, config.crop, config.seed, config.jpeg, part)


def drawn(step: int, size: int, seed: int, order: Order) -> tuple[list[int], Crops]:
    """Return the numbers of the tiles of batch `step`, and the crops of them: `size` each.

    The tiles are consecutive ones of a shuffled epoch. Between batches their window moves by a quarter of its length,
    so that each decoded tile gives four crops: decoding is most of the cost.
    """
    first = step * max(1, size // CROPS)
    numbers = [order[place] for place in range(first, first + size)]
    return numbers, crops.draw(np.random.default_rng([seed, step]), size)


@dataclass(frozen=True)
class Batches:
    """Random crops of `size` tiles as batch n: uint8 tensors, LR N3cc and HR N3(2c)(2c), with c = `crop`.

    jpeg: compress the LR tiles. part: of each batch. decoded: the same tiles, if they are decoded already.
    """

    tiles: TileIndex
    size: int
    crop: int
    seed: int
    jpeg: bool = False
    part: slice = field(default_factory=lambda: ALL)
    decoded: DecodedTiles | None = None

    def __getitem__(self, step: int) -> Batch:
        numbers, draws = drawn(step, self.size, self.seed, self._order)
        pairs = [
            crops.cut(self._load(number), self.crop, draws[self.part], n, self.jpeg)
            for n, number in enumerate(numbers[self.part])
        ]
        lr, hr = (np.stack(side).transpose(0, 3, 1, 2) for side in zip(*pairs, strict=True))
        return torch.from_numpy(np.ascontiguousarray(lr)), torch.from_numpy(np.ascontiguousarray(hr))

    @cached_property
    def _order(self) -> Order:
        return Order(self.tiles.sizes(), self.seed)

    @cached_property
    def _load(self) -> Callable[[int], TilePair]:
        if self.decoded:
            return self.decoded.__getitem__
        return lru_cache(maxsize=2 * self.size)(lambda number: crops.pair(data.load(self.tiles[number])))
