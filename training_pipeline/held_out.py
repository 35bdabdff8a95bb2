"""The test set in two parts: pictures to compare models on, and those of the final test."""

from pathlib import Path

from feature_pipeline import shards
from feature_pipeline.shards import Entry
from training_pipeline import data
from training_pipeline.errors import TrainingError

PART = "test"  # of Open Images
SHARE = 0.1  # of the pictures, to compare models on
LEAST = 60  # pictures of each part: with 9, the interval of a difference was 0.2 dB wide


def parts(test: Path) -> tuple[list[Entry], list[Entry]]:
    """Split the tiles into those of the first 10 % of the pictures, at least 60, and the rest.

    Raises FeatureError if there are no shards, TrainingError if there are fewer than 120 pictures.
    """
    tiles = shards.index(test)
    if (count := len(data.pictures(tiles))) < 2 * LEAST:
        raise TrainingError(f"a test set needs at least {2 * LEAST} pictures, and {test} has {count}; make more")
    first = comparison(tiles)
    compared = data.pictures(first)
    return first, [tile for tile in tiles if tile.image_id not in compared]


def comparison(tiles: list[Entry]) -> list[Entry]:
    """Return the tiles of the first 10 % of the pictures, at least 60 or all: those on which models may be compared."""
    pictures = list(dict.fromkeys(tile.image_id for tile in tiles))
    first = set(pictures[: max(LEAST, round(SHARE * len(pictures)))])
    return [tile for tile in tiles if tile.image_id in first]


def is_test(tiles: list[Entry]) -> bool:
    """Return True if the tiles are of the test part, wherever their folder is: each tile records its part."""
    return bool(tiles) and shards.load(tiles[0]).info.part == PART
