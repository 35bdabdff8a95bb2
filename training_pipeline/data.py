"""Tile shards as batches: what step n trains on follows from the seed and n alone."""

import hashlib
import math
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from feature_pipeline import shards
from feature_pipeline.compression import compressed
from feature_pipeline.shards import Entry, Sample
from training_pipeline.config import TILE, TrainingConfig
from training_pipeline.errors import TrainingError
from upscaler.bicubic import halve
from upscaler.model.architecture import SCALE
from upscaler.pixels import Pixels

Batch = tuple[Tensor, Tensor]

CROPS = 4  # of a tile each time that it is met
AHEAD = 8  # batches
LOWER = 0.5  # share of the crops whose truth is the small tile, and whose small side is that tile halved
EDGE = 2  # pixels of a halved tile that know too little of what was around it
QUALITY = (50, 97)  # of the JPEGs that small crops are taken from, where they are to be of JPEGs
WHOLE_COLOURS = 0.25  # share of these JPEGs whose chroma has as many pixels as their luma


@dataclass(frozen=True)
class Tiles:
    """What a run learns from, and what it is scored on."""

    training: list[Entry]
    validation: list[Entry]


def read(config: TrainingConfig) -> Tiles:
    """The run's tiles. Raises FeatureError or TrainingError if there are none, or if a picture is in both sets."""
    training = entries(config.shards)
    if config.fold:
        training, validation = split(training, *config.fold)
    else:
        validation = entries(config.validation)
    check_apart(training, validation)
    return Tiles(share(training, config.share), validation)


def entries(folders: Iterable[Path]) -> list[Entry]:
    """The tiles of all folders, in order. Raises FeatureError or TrainingError if there are none."""
    found = [entry for folder in folders for entry in shards.index(folder)]
    if not found:
        raise TrainingError("the shards hold no tiles; make them of more pictures with python -m feature_pipeline")
    return found


def image_id(entry: Entry) -> str:
    """The picture that a tile was cut from."""
    return entry.key.rpartition("-")[0]


def pictures(tiles: Iterable[Entry]) -> set[str]:
    """The ids of the pictures that the tiles were cut from."""
    return {image_id(tile) for tile in tiles}


def share(tiles: list[Entry], part: float) -> list[Entry]:
    """The tiles of `part` (above 0, at most 1) of the pictures, one at least; a larger part holds a smaller one."""
    lot = _drawn_by_lot(tiles)
    chosen = set(lot[: math.ceil(part * len(lot))])
    return [tile for tile in tiles if image_id(tile) in chosen]


def split(tiles: list[Entry], fold: int, folds: int) -> tuple[list[Entry], list[Entry]]:
    """The tiles outside and inside of part `fold` of `folds` of the pictures. Raises TrainingError if there are fewer
    pictures than folds."""
    lot = _drawn_by_lot(tiles)
    if len(lot) < folds:
        raise TrainingError(f"{len(lot)} pictures cannot be split into {folds} folds; make shards of more pictures")
    inside = set(lot[fold::folds])
    return [t for t in tiles if image_id(t) not in inside], [t for t in tiles if image_id(t) in inside]


def check_apart(training: list[Entry], held_out: list[Entry], name: str = "validation") -> None:
    """Raise TrainingError if a picture is in both sets: the score would tell how well it is known by heart."""
    if shared := sorted(pictures(training) & pictures(held_out)):
        raise TrainingError(
            f"{len(shared)} pictures are in the training and in the {name} set ({shared[0]} is one); "
            f"give a {name} set of other pictures"
        )


def load(entry: Entry) -> Sample:
    """Read a tile pair. Raises FeatureError if it cannot be read, TrainingError if it is not of the size due."""
    sample = shards.load(entry)
    if sample.lr.shape != (TILE, TILE, 3) or sample.hr.shape != (SCALE * TILE, SCALE * TILE, 3):
        raise TrainingError(
            f"the tiles of {entry.key} in {entry.tar} are {sample.lr.shape[:2]} and {sample.hr.shape[:2]}, where "
            f"{TILE} and {SCALE * TILE} pixels a side are due; make the shards again"
        )
    return sample


def batches(tiles: Tiles, config: TrainingConfig) -> "Batches":
    """What a run learns from, batch by batch."""
    return Batches(tiles.training, config.batch, config.crop, config.seed, config.jpeg)


@dataclass(frozen=True)
class Batches:
    """Batch n: a crop, flipped and turned, of each of `size` tiles that lie side by side on a walk through all tiles.

    The walk meets each tile once an epoch. From batch to batch the window moves by a quarter of its length, so that
    four crops are taken of a tile that was decoded once; decoding is most of the cost. A batch is a pair of uint8
    tensors, small N3cc and large N3(2c)(2c), c being `crop`. jpeg: the small crops are as JPEG leaves them.
    """

    tiles: list[Entry]
    size: int
    crop: int
    seed: int
    jpeg: bool = False

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        first = step * max(1, self.size // CROPS)
        pairs = [augmented(self._load(self._tile(first + i)), self.crop, rng, self.jpeg) for i in range(self.size)]
        small, large = (np.stack(side).transpose(0, 3, 1, 2) for side in zip(*pairs, strict=True))
        return torch.from_numpy(np.ascontiguousarray(small)), torch.from_numpy(np.ascontiguousarray(large))

    def ahead(self, step: int) -> Generator[Batch, None, None]:
        """The batches from `step` on, without end, made ahead by a thread: decoding leaves Python's lock alone."""
        pool = ThreadPoolExecutor(1, "loader")
        try:
            waiting = deque(pool.submit(self.__getitem__, n) for n in range(step, step + AHEAD))
            for n in count(step + AHEAD):
                yield waiting.popleft().result()
                waiting.append(pool.submit(self.__getitem__, n))
        finally:
            pool.shutdown(cancel_futures=True)

    @cached_property
    def _load(self) -> Callable[[Entry], Sample]:
        return lru_cache(maxsize=2 * self.size)(load)

    def _tile(self, place: int) -> Entry:
        epoch, i = divmod(place, len(self.tiles))
        return self.tiles[_order(self.seed, epoch, len(self.tiles))[i]]


def augmented(sample: Sample, crop: int, rng: np.random.Generator, jpeg: bool = False) -> tuple[Pixels, Pixels]:
    """A random `crop` of the small tile and the same place of the large one, in one of eight flips and turns.

    Half of the crops that fit are taken an octave lower, where photos are sharper and less noisy, unless the small tile
    is degraded and cannot serve as ground truth. jpeg: the LR tile is compressed before it is cropped, so that blocks
    lie anywhere in a crop.
    """
    lower = rng.random() < LOWER and crop <= TILE // SCALE - 2 * EDGE and not _is_degraded(sample)
    small, large = (halve(sample.lr), sample.lr) if lower else (sample.lr, sample.hr)
    if jpeg:
        small = compressed(small, int(rng.integers(*QUALITY, endpoint=True)), bool(rng.random() < WHOLE_COLOURS))
    edge = EDGE if lower else 0
    top, left = rng.integers(edge, len(small) - crop - edge + 1, size=2)
    turns, flip = int(rng.integers(4)), rng.integers(2)
    small, large = (
        np.rot90(tile[top * s : (top + crop) * s, left * s : (left + crop) * s], turns)
        for tile, s in ((small, 1), (large, SCALE))
    )
    return (small[:, ::-1], large[:, ::-1]) if flip else (small, large)


def _is_degraded(sample: Sample) -> bool:
    """Whether augmentation added noise or compression to the small tile."""
    drawn = sample.info.augmented
    return drawn is not None and (drawn.noise is not None or drawn.quality is not None)


@lru_cache(maxsize=2)  # a batch may end one epoch and begin the next
def _order(seed: int, epoch: int, tiles: int) -> list[int]:
    order: list[int] = np.random.default_rng([seed, epoch, tiles]).permutation(tiles).tolist()
    return order


def _drawn_by_lot(tiles: Iterable[Entry]) -> list[str]:
    """The pictures in an order that has nothing to do with their ids, and is always the same."""
    return sorted(pictures(tiles), key=lambda identity: hashlib.sha256(identity.encode()).digest())
