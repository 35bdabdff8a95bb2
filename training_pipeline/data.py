"""The tiles of a run: read from shards, shared out, split, and checked."""

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from feature_pipeline import duplicates, shards, tile_index
from feature_pipeline.duplicates import Hashes, Mask
from feature_pipeline.shards import Entry, Sample
from feature_pipeline.tile_index import TileIndex
from training_pipeline.config import TILE, TrainingConfig
from training_pipeline.errors import TrainingError
from upscaler.engines.cores import cores
from upscaler.model.architecture import SCALE
from upscaler.streams import warn


@dataclass(frozen=True)
class Tiles:
    """The training and the validation tiles of a run.

    `digest`: of the content of all shards that they are in. `split`: how many of these, in order, are for training, for
    validation and for the test.
    """

    training: TileIndex
    validation: TileIndex
    digest: str
    split: tuple[int, ...]

    def check_same(self, digest: str, split: tuple[int, ...] | None, out: Path) -> None:
        """Raise TrainingError if what is in `out` was made with other tiles. split: None if it is not recorded."""
        if digest != self.digest or split not in (None, self.split):
            raise TrainingError(
                f"the run in {out} was made with tiles of other content; give the same --shards and --validation, "
                "or start in another folder"
            )


def read(config: TrainingConfig) -> Tiles:
    """Return the run's tiles. Raises FeatureError or TrainingError if there are none or a picture is in both sets."""
    sets = ("training", config.shards), ("validation", config.validation), ("test", config.test)
    given = {name: entries(folders) for name, folders in sets if folders}
    counts = tuple(len(given[name].tars) if name in given else 0 for name, _ in sets)
    digest, training = tile_index.digest(given.values()), given.pop("training")
    if config.fold:
        training, given["validation"] = split(training, *config.fold)
    for name, held_out in given.items():
        _check_apart(training, held_out, name)
        training = _without_duplicates(training, held_out, name)
    return Tiles(share(training, config.share), given["validation"], digest, counts)


def entries(folders: Iterable[Path]) -> TileIndex:
    """Index the tiles of all folders, in order. Raises FeatureError or TrainingError if there are none."""
    found = tile_index.of(folders)
    if not found:
        raise TrainingError("the shards have no tiles; make them from more pictures with python -m feature_pipeline")
    return found


def share(tiles: TileIndex, part: float) -> TileIndex:
    """Return the tiles of a share (above 0, at most 1) of the pictures, at least one; larger shares include smaller."""
    shuffled = _shuffled(tiles.table["id"])
    return tiles.only(np.isin(tiles.table["id"], shuffled[: math.ceil(part * len(shuffled))]))


def split(tiles: TileIndex, fold: int, folds: int) -> tuple[TileIndex, TileIndex]:
    """Split the tiles by picture: those outside and those inside fold `fold` of `folds`.

    Pictures that look alike, also mirrored, are in the same fold. Raises TrainingError if there are fewer pictures than
    folds.
    """
    table = tiles.table
    groups = table["id"][duplicates.groups(table["own"], table["mirrored"], table["known"])]
    shuffled = _shuffled(groups)
    if len(shuffled) < folds:
        raise TrainingError(f"{len(shuffled)} pictures cannot be split into {folds} folds; give more shards")
    inside = np.isin(groups, shuffled[fold::folds])
    inside = np.isin(table["id"], table["id"][inside])  # also if a picture is in two parts
    return tiles.only(~inside), tiles.only(inside)


def load(entry: Entry) -> Sample:
    """Read a tile pair. Raises FeatureError if it cannot be read, TrainingError if it has the wrong size."""
    sample = shards.load(entry)
    if sample.lr.shape != (TILE, TILE, 3) or sample.hr.shape != (SCALE * TILE, SCALE * TILE, 3):
        raise TrainingError(
            f"the tiles of {entry.key} in {entry.tar} are {sample.lr.shape[:2]} and {sample.hr.shape[:2]}, not "
            f"{TILE} and {SCALE * TILE} pixels a side; make the shards again"
        )
    return sample


def load_all(tiles: Sequence[Entry], take: Callable[[int, Sample], None]) -> None:
    """Read all tile pairs, by a thread for each core; call `take` with the number and the sample of each.

    Raises FeatureError or TrainingError, as `load` does.
    """
    with ThreadPoolExecutor(cores()) as pool:
        list(pool.map(lambda number: take(number, load(tiles[number])), range(len(tiles))))


def _check_apart(training: TileIndex, held_out: TileIndex, name: str) -> None:
    """Raise TrainingError if a picture is in both sets: the score would measure memorisation."""
    shared = training.only(np.isin(training.table["id"], held_out.ids))
    if shared:
        raise TrainingError(
            f"{len(shared.ids)} pictures are in both the training and the {name} set, such as {shared[0].image_id}; "
            f"give a {name} set of other pictures"
        )


def _without_duplicates(training: TileIndex, held_out: TileIndex, name: str) -> TileIndex:
    """Return the training tiles without pictures that look like one held out, also mirrored; warn of them.

    Raises TrainingError if none remain.
    """
    repeated = _looks_like(training, held_out.perceptual)
    if repeated.all():
        raise TrainingError(f"all training pictures look like pictures of the {name} set; give other --{name}")
    if repeated.any():
        left_out = training.only(repeated)
        warn(
            f"{len(left_out.ids)} training pictures look like pictures of the {name} set and are left out, "
            f"such as {left_out[0].image_id}"
        )
    return training.only(~repeated)


def _looks_like(tiles: TileIndex, hashes: Hashes) -> Mask:
    """Return True for each picture of the tiles that looks like one with these perceptual hashes, also mirrored."""
    own, mirrored = (duplicates.near(tiles.table[name], hashes) for name in ("own", "mirrored"))
    return tiles.table["known"] & (own | mirrored)


def _shuffled(ids: Hashes) -> Hashes:
    """Return different hashes of ids in the order of their first byte, then of the next."""
    return np.sort(np.unique(ids).byteswap()).byteswap()
