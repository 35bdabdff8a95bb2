"""Batches from tiles that stay on the device: a step's crops are gathered there, and nothing is decoded twice."""

from collections.abc import Generator
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from feature_pipeline.shards import Sample
from feature_pipeline.tile_index import TileIndex
from training_pipeline import crops, data, device
from training_pipeline.batches import ALL, Batch, drawn
from training_pipeline.config import TILE, TrainingConfig
from training_pipeline.order import Order
from upscaler.bicubic import halve
from upscaler.model.architecture import COLOURS, SCALE

SIDES = (TILE // SCALE, TILE, SCALE * TILE)  # of the downsampled, the LR and the HR tile
TILE_BYTES = COLOURS * sum(side**2 for side in SIDES)
MOST_MEMORY = 2 << 30  # bytes, on a CPU
MOST_CUDA_MEMORY = 0.5  # share of what is free


def fits(tiles: int, device: torch.device) -> bool:
    """Return True if so many tiles fit into the memory of a device beside the training."""
    most = MOST_CUDA_MEMORY * torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else MOST_MEMORY
    return tiles * TILE_BYTES <= most


class ResidentBatches:
    """The same batches as `Batches` makes of clean tiles, on the device."""

    def __init__(self, tiles: TileIndex, config: TrainingConfig, device: torch.device, part: slice = ALL) -> None:
        """Decode all tiles and copy them to the device, as uint8. part: of each batch."""
        self._part, self._size, self._crop, self._seed = part, config.batch, config.crop, config.seed
        self._order = Order(tiles.sizes(), config.seed)
        pyramid = [np.empty((len(tiles), side, side, COLOURS), np.uint8) for side in SIDES]
        self._clean = np.zeros(len(tiles), bool)

        def keep(n: int, sample: Sample) -> None:
            lr, hr, self._clean[n] = crops.pair(sample)
            for level, tile in zip(pyramid, (halve(lr), lr, hr), strict=True):
                level[n] = tile

        data.load_all(tiles, keep)
        self._pyramid = [torch.from_numpy(level).to(device) for level in pyramid]
        self._symmetries = [symmetries(side).to(device) for side in (config.crop, SCALE * config.crop)]

    def __getitem__(self, step: int) -> Batch:
        tiles, draws = drawn(step, self._size, self._seed, self._order)
        numbers, draws = np.array(tiles[self._part]), draws[self._part]
        orientations = 2 * draws.turns + draws.flip
        downsampled = draws.downsampled & self._clean[numbers]
        lr, hr = (
            grid.new_empty((len(numbers), *grid.shape[1:3], COLOURS), dtype=torch.uint8) for grid in self._symmetries
        )
        for level in (0, 1):  # of the input; the ground truth is one above
            chosen = np.flatnonzero(downsampled != level)
            corners = crops.corner(draws.place[chosen], self._crop, downsampled=level == 0)
            for scale, output, grid in zip((1, SCALE), (lr, hr), self._symmetries, strict=True):
                source = self._pyramid[level + scale - 1]
                where = _on(source, numbers[chosen], orientations[chosen], scale * corners)
                output[_on(source, chosen)[0]] = gathered(source, grid, *where)
        return lr.permute(0, 3, 1, 2), hr.permute(0, 3, 1, 2)

    def prefetched(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches from `step` on, endlessly; a device works ahead of its host anyway."""
        for n in count(step):
            yield self[n]


def symmetries(side: int) -> Tensor:
    """Return, for each of 8 orientations (2 turns + flip), the place in a square of each pixel: 8(side)(side)2."""
    places = np.moveaxis(np.indices((side, side)), 0, -1)
    turned = [np.rot90(places, turns) for turns in range(4)]
    return torch.from_numpy(np.stack([one[:, ::-1] if flip else one for one in turned for flip in (0, 1)]))


def gathered(source: Tensor, grid: Tensor, tiles: Tensor, orientations: Tensor, corners: Tensor) -> Tensor:
    """Cut an oriented square from each of `tiles` (N) of a source KHWC, at `corners` N2."""
    places = grid[orientations] + corners[:, None, None]
    return source[tiles[:, None, None], places[..., 0], places[..., 1]]


def _on(source: Tensor, *arrays: NDArray[np.int64]) -> list[Tensor]:
    return [device.sent(torch.from_numpy(array), source.device) for array in arrays]
