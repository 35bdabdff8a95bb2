"""The tiles of a run: read from shards, shared out, split, and checked."""

import hashlib
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from feature_pipeline import duplicates, shards
from feature_pipeline.shards import Entry, Sample
from training_pipeline.config import TILE, TrainingConfig
from training_pipeline.errors import TrainingError
from upscaler.model.architecture import SCALE


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


def pictures(tiles: Iterable[Entry]) -> set[str]:
    """Return the ids of the tiles' pictures."""
    return {tile.image_id for tile in tiles}


def share(tiles: list[Entry], part: float) -> list[Entry]:
    """Return the tiles of a share (above 0, at most 1) of the pictures, at least one; larger shares include smaller."""
    shuffled = _shuffled(pictures(tiles))
    chosen = set(shuffled[: math.ceil(part * len(shuffled))])
    return [tile for tile in tiles if tile.image_id in chosen]


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
    return [t for t in tiles if t.image_id not in inside], [t for t in tiles if t.image_id in inside]


def check_apart(training: list[Entry], held_out: list[Entry], name: str = "validation") -> None:
    """Raise TrainingError if a picture is in both sets: the score would measure memorisation."""
    if shared := sorted(pictures(training) & pictures(held_out)):
        raise TrainingError(
            f"{len(shared)} pictures are in both the training and the {name} set, such as {shared[0]}; "
            f"give a {name} set of other pictures"
        )


def without_duplicates(training: list[Entry], validation: list[Entry]) -> list[Entry]:
    """Return the training tiles without pictures that look like one for validation, also mirrored; warn of them.

    Raises TrainingError if none remain.
    """
    held_out = duplicates.numbers(shards.pictures(validation))
    if not (repeated := set(duplicates.alike(shards.pictures(training), held_out))):
        return training
    if not (kept := [tile for tile in training if tile.image_id not in repeated]):
        raise TrainingError("all training pictures look like pictures of the validation set; give other --validation")
    print(
        f"warning: {len(repeated)} training pictures look like pictures of the validation set and are left out, such "
        f"as {min(repeated)}",
        file=sys.stderr,
    )
    return kept


def load(entry: Entry) -> Sample:
    """Read a tile pair. Raises FeatureError if it cannot be read, TrainingError if it has the wrong size."""
    sample = shards.load(entry)
    if sample.lr.shape != (TILE, TILE, 3) or sample.hr.shape != (SCALE * TILE, SCALE * TILE, 3):
        raise TrainingError(
            f"the tiles of {entry.key} in {entry.tar} are {sample.lr.shape[:2]} and {sample.hr.shape[:2]}, not "
            f"{TILE} and {SCALE * TILE} pixels a side; make the shards again"
        )
    return sample


def _shuffled(ids: Iterable[str]) -> list[str]:
    """List different ids in a fixed order that is unrelated to them."""
    return sorted(set(ids), key=lambda identity: hashlib.sha256(identity.encode()).digest())
