"""Batches of crops from tile shards; the seed and the step determine a batch."""

import hashlib
import math
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from feature_pipeline import duplicates, shards
from feature_pipeline.compression import compressed
from feature_pipeline.shards import Entry, Sample
from training_pipeline.config import TILE, TrainingConfig
from training_pipeline.errors import TrainingError
from upscaler.bicubic import halve
from upscaler.model.architecture import SCALE
from upscaler.pixels import Pixels

Batch = tuple[Tensor, Tensor]

CROPS = 4  # from each decoded tile
AHEAD = 8  # batches
DOWNSAMPLED = 0.5  # share of the crops from the 2x downsampled image: the LR tile as ground truth, its half as input
EDGE = 2  # pixels at the border of a downsampled tile that lack part of the filter's support
QUALITY = (50, 97)  # of the JPEG compression of LR tiles
FULL_CHROMA = 0.25  # share of these JPEGs without chroma subsampling


@dataclass(frozen=True)
class Tiles:
    """The training and the validation tiles of a run. `digest`: of the content of all shards that they are in."""

    training: list[Entry]
    validation: list[Entry]
    digest: str


def read(config: TrainingConfig) -> Tiles:
    """Return the run's tiles. Raises FeatureError or TrainingError if there are none or a picture is in both sets."""
    training = entries(config.shards)
    if config.fold:
        training, validation = split(training, *config.fold)
    else:
        validation = entries(config.validation)
    check_apart(training, validation)
    training = without_duplicates(training, validation)
    digest = shards.digest([*config.shards, *config.validation])
    return Tiles(share(training, config.share), validation, digest)


def entries(folders: Iterable[Path]) -> list[Entry]:
    """List the tiles of all folders, in order. Raises FeatureError or TrainingError if there are none."""
    found = [entry for folder in folders for entry in shards.index(folder)]
    if not found:
        raise TrainingError("the shards have no tiles; make them from more pictures with python -m feature_pipeline")
    return found


def image_id(entry: Entry) -> str:
    """Return the id of a tile's picture."""
    return entry.image_id


def pictures(tiles: Iterable[Entry]) -> set[str]:
    """Return the ids of the tiles' pictures."""
    return {image_id(tile) for tile in tiles}


def share(tiles: list[Entry], part: float) -> list[Entry]:
    """Return the tiles of a share (above 0, at most 1) of the pictures, at least one; larger shares include smaller."""
    shuffled = _shuffled(pictures(tiles))
    chosen = set(shuffled[: math.ceil(part * len(shuffled))])
    return [tile for tile in tiles if image_id(tile) in chosen]


def split(tiles: list[Entry], fold: int, folds: int) -> tuple[list[Entry], list[Entry]]:
    """Split the tiles by picture: those outside and those inside fold `fold` of `folds`.

    Pictures that look alike, also mirrored, are in the same fold. Raises TrainingError if there are fewer pictures than
    folds.
    """
    groups = duplicates.groups(shards.pictures(tiles))
    shuffled = _shuffled(groups.values())
    if len(shuffled) < folds:
        raise TrainingError(f"{len(shuffled)} pictures cannot be split into {folds} folds; give more shards")
    chosen = set(shuffled[fold::folds])
    inside = {identity for identity, group in groups.items() if group in chosen}
    return [t for t in tiles if image_id(t) not in inside], [t for t in tiles if image_id(t) in inside]


def check_apart(training: list[Entry], held_out: list[Entry], name: str = "validation") -> None:
    """Raise TrainingError if a picture is in both sets: the score would measure memorisation."""
    if shared := sorted(pictures(training) & pictures(held_out)):
        raise TrainingError(
            f"{len(shared)} pictures are in both the training and the {name} set, such as {shared[0]}; "
            f"give a {name} set of other pictures"
        )


def without_duplicates(training: list[Entry], validation: list[Entry]) -> list[Entry]:
    """Return the training tiles without pictures that look like one for validation, also mirrored; warn of them."""
    held_out = duplicates.numbers(shards.pictures(validation))
    if not (repeated := set(duplicates.alike(shards.pictures(training), held_out))):
        return training
    print(
        f"warning: {len(repeated)} training pictures look like pictures of the validation set and are left out, such "
        f"as {min(repeated)}",
        file=sys.stderr,
    )
    return [tile for tile in training if image_id(tile) not in repeated]


def load(entry: Entry) -> Sample:
    """Read a tile pair. Raises FeatureError if it cannot be read, TrainingError if it has the wrong size."""
    sample = shards.load(entry)
    if sample.lr.shape != (TILE, TILE, 3) or sample.hr.shape != (SCALE * TILE, SCALE * TILE, 3):
        raise TrainingError(
            f"the tiles of {entry.key} in {entry.tar} are {sample.lr.shape[:2]} and {sample.hr.shape[:2]}, not "
            f"{TILE} and {SCALE * TILE} pixels a side; make the shards again"
        )
    return sample


def batches(tiles: Tiles, config: TrainingConfig) -> "Batches":
    """Return the batches of a run."""
    return Batches(tiles.training, config.batch, config.crop, config.seed, config.jpeg)


@dataclass(frozen=True)
class Batches:
    """Random crops of `size` consecutive tiles of a shuffled epoch, as batch n.

    Between batches the window of tiles moves by a quarter of its length, so that each decoded tile gives four crops:
    decoding is most of the cost. A batch is a pair of uint8 tensors, LR N3cc and HR N3(2c)(2c), with c = `crop`.
    jpeg: compress the LR tiles.
    """

    tiles: list[Entry]
    size: int
    crop: int
    seed: int
    jpeg: bool = False

    def __getitem__(self, step: int) -> Batch:
        rng = np.random.default_rng([self.seed, step])
        first = step * max(1, self.size // CROPS)
        pairs = [random_crop(self._load(self._tile(first + i)), self.crop, rng, self.jpeg) for i in range(self.size)]
        lr, hr = (np.stack(side).transpose(0, 3, 1, 2) for side in zip(*pairs, strict=True))
        return torch.from_numpy(np.ascontiguousarray(lr)), torch.from_numpy(np.ascontiguousarray(hr))

    def prefetched(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches from `step` on, endlessly, prefetched by a thread: decoding releases the GIL."""
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


def random_crop(sample: Sample, crop: int, rng: np.random.Generator, jpeg: bool = False) -> tuple[Pixels, Pixels]:
    """Cut a random LR crop and its HR crop, in one of the 8 flips and rotations.

    Multi-scale crops: half of those that fit come from the 2x downsampled image, where photos are sharper and less
    noisy, unless the LR tile is degraded and cannot serve as ground truth. jpeg: compress the LR tile before cropping,
    so that a crop starts anywhere in a block.
    """
    downsampled = rng.random() < DOWNSAMPLED and crop <= TILE // SCALE - 2 * EDGE and not _is_degraded(sample)
    lr, hr = (halve(sample.lr), sample.lr) if downsampled else (sample.lr, sample.hr)
    if jpeg:
        lr = compressed(lr, int(rng.integers(*QUALITY, endpoint=True)), bool(rng.random() < FULL_CHROMA))
    edge = EDGE if downsampled else 0
    top, left = edge + _corner(len(lr) - crop - 2 * edge, crop, rng)
    turns, flip = int(rng.integers(4)), rng.integers(2)
    lr, hr = (
        np.rot90(tile[top * s : (top + crop) * s, left * s : (left + crop) * s], turns)
        for tile, s in ((lr, 1), (hr, SCALE))
    )
    return (lr[:, ::-1], hr[:, ::-1]) if flip else (lr, hr)


def _corner(last: int, crop: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the top and the left of a crop from 0 to `last`.

    Half a crop beyond, draws count as the outermost position: otherwise pixels at a tile's edge are in 1 of 32 times as
    many crops as those in the middle.
    """
    beyond = crop // 2
    return rng.integers(-beyond, last + beyond, size=2, endpoint=True).clip(0, last)


def _is_degraded(sample: Sample) -> bool:
    """Return True if augmentation added noise or JPEG compression to the LR tile."""
    drawn = sample.info.augmented
    return drawn is not None and (drawn.noise is not None or drawn.quality is not None)


@lru_cache(maxsize=2)  # a batch may span two epochs
def _order(seed: int, epoch: int, tiles: int) -> list[int]:
    order: list[int] = np.random.default_rng([seed, epoch, tiles]).permutation(tiles).tolist()
    return order


def _shuffled(ids: Iterable[str]) -> list[str]:
    """List different ids in a fixed order that is unrelated to them."""
    return sorted(set(ids), key=lambda identity: hashlib.sha256(identity.encode()).digest())
