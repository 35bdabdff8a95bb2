"""The test set in two parts: pictures to compare models on, and those of the final test."""

from pathlib import Path

import numpy as np

from feature_pipeline import shards, tile_index
from feature_pipeline.duplicates import Mask
from feature_pipeline.tile_index import TileIndex
from training_pipeline.errors import TrainingError

PART = "test"  # of Open Images
SHARE = 0.1  # of the pictures, to compare models on
LEAST = 60  # pictures of each part: with 9, the interval of a difference was 0.2 dB wide


def parts(test: Path) -> tuple[TileIndex, TileIndex]:
    """Split the tiles into those of the first 10 % of the pictures, at least 60, and the rest.

    Raises FeatureError if there are no shards, TrainingError if there are fewer than 120 pictures.
    """
    tiles = tile_index.of([test])
    if (count := len(tiles.ids)) < 2 * LEAST:
        raise TrainingError(f"a test set needs at least {2 * LEAST} pictures, and {test} has {count}; make more")
    first = _is_first(tiles)
    return tiles.only(first), tiles.only(~first)


def comparison(tiles: TileIndex) -> TileIndex:
    """Return the tiles of the first 10 % of the pictures, at least 60 or all: those on which models may be compared."""
    return tiles.only(_is_first(tiles))


def _is_first(tiles: TileIndex) -> Mask:
    ids, places = np.unique(tiles.table["id"], return_index=True)
    in_order = ids[np.argsort(places)]
    return np.isin(tiles.table["id"], in_order[: max(LEAST, round(SHARE * len(in_order)))])


def is_test(tiles: TileIndex) -> bool:
    """Return True if the tiles are of the test part, wherever their folder is: each tile records its part."""
    return bool(tiles) and shards.load(tiles[0]).info.part == PART
