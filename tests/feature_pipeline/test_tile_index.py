"""The index of tiles: equal to the records, at a cost for each picture."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from feature_pipeline import shards, tile_index
from feature_pipeline.errors import FeatureError
from feature_pipeline.shards import Entry, ShardRecord
from support.shards import random_looks, write_shard
from upscaler.model.learned import Learned


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two parts of one shard each, the first with perceptual hashes."""
    first = write_shard(tmp_path / "train_0", pictures=3, side=16, looks=random_looks(3))
    return [first, write_shard(tmp_path / "train_1", pictures=2, first=10, tiles=3, side=16)]


def entries(folder: Path) -> list[Entry]:
    (tar,) = shards.tars(folder)
    return [Entry(tar, spans) for spans in shards.read_record(shards.record_path(tar)).samples]


def test_it_has_the_tiles_of_the_records(folders: list[Path]) -> None:
    index, expected = tile_index.of(folders), [entry for folder in folders for entry in entries(folder)]
    assert list(index) == expected
    assert len(index) == len(expected) == 12
    assert [index[number] for number in range(-12, 12)] == 2 * expected
    assert index[3:9:2] == expected[3:9:2]
    assert index.sizes().tolist() == [6, 6]
    for beyond in (12, -13):
        with pytest.raises(IndexError):
            index[beyond]


def test_some_pictures_keep_their_tiles(folders: list[Path]) -> None:
    index = tile_index.of(folders)
    some = index.only(np.array([False, True, False, False, True]))
    assert list(some) == index[2:4] + index[9:]
    assert some.sizes().tolist() == [2, 3]
    assert list(pickle.loads(pickle.dumps(some))) == list(some)
    assert list(some.only(np.zeros(2, bool))) == []


def test_it_knows_the_pictures_as_a_model_records_them(folders: list[Path]) -> None:
    index = tile_index.of(folders)
    learned = Learned.of(shards.pictures(index))
    assert index.ids.tolist() == learned.trained.tolist()
    assert (
        index.perceptual.tolist() == learned.perceptual.tolist() == sorted(own for own, _ in random_looks(3).values())
    )
    assert index.table["known"].tolist() == [True, True, True, False, False]


def test_each_record_is_read_once_when_tiles_are_read_in_order(
    folders: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    index, read, paths = tile_index.of(folders), shards.read_record, list[Path]()

    def noted(path: Path) -> ShardRecord:
        paths.append(path)
        return read(path)

    monkeypatch.setattr(shards, "read_record", noted)
    assert len(list(index)) == 12
    assert paths == [shards.record_path(tar) for tar in index.tars]


def test_more_tiles_of_a_picture_cost_nothing(tmp_path: Path) -> None:
    few, many = (
        len(pickle.dumps(tile_index.of([write_shard(tmp_path / name / "train_0", tiles=tiles, side=16)]).table))
        for name, tiles in (("few", 1), ("many", 40))
    )
    assert few == many


def test_the_digest_tells_the_content_and_its_order(folders: list[Path]) -> None:
    indexes = [tile_index.of([folder]) for folder in folders]
    assert tile_index.digest(indexes) == tile_index.digest([tile_index.of(folders)])
    assert tile_index.digest(indexes) != tile_index.digest(indexes[::-1])


def test_a_folder_without_shards_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match="has no tile shards; make them with python -m feature_pipeline"):
        tile_index.of([tmp_path])
