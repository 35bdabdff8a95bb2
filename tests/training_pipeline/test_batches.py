"""Batches and crops: their size, place and content."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import psutil
import pytest
import torch

from feature_pipeline.manifest import Draw, SampleInfo
from feature_pipeline.shards import Entry, Sample
from support.shards import write_shard
from support.training_runs import ROOT, small_config
from training_pipeline import batches, crops, data, decoded, loader, resident
from training_pipeline.batches import Batches
from training_pipeline.config import MOST_CROP
from training_pipeline.errors import TrainingError
from training_pipeline.order import Order
from training_pipeline.resident import ResidentBatches
from upscaler.pixels import Pixels


def random_crop(sample: Sample, crop: int, rng: np.random.Generator, jpeg: bool = False) -> tuple[Pixels, Pixels]:
    """Draw and cut one crop."""
    return crops.cut(crops.pair(sample), crop, crops.draw(rng, 1), 0, jpeg)


@pytest.mark.parametrize("processes", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_batches_follow_from_the_step_alone(tmp_path: Path, processes: int) -> None:
    tiles = data.read(small_config(tmp_path)).training
    made = Batches(tiles, size=3, crop=8, seed=1)
    ahead = loader.prefetched(made, 2, processes)
    for step in range(2, 14):
        for ours, theirs in zip(next(ahead), made[step], strict=True):
            assert torch.equal(ours, theirs)
    ahead.close()
    assert not torch.equal(made[0][0], Batches(tiles, size=3, crop=8, seed=2)[0][0])


def test_the_seed_decides_the_crops_too() -> None:
    order = Order(np.array([8]), 0)
    (tiles, first), (same_tiles, second) = (batches.drawn(0, 8, seed, order) for seed in (1, 2))
    assert tiles == same_tiles
    assert not np.array_equal(first.place, second.place)


def test_a_loader_process_that_dies_is_an_error(tmp_path: Path) -> None:
    tiles = data.read(small_config(tmp_path)).training
    ahead = loader.prefetched(Batches(tiles, size=3, crop=8, seed=1), 0, processes=1)
    next(ahead)
    (process,) = (one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline()))
    process.kill()
    with pytest.raises(TrainingError, match="a loader process died"):
        for _ in range(20):
            next(ahead)


@pytest.mark.parametrize("crop", [32, 48])
def test_crops_reach_the_edge_of_a_tile_nearly_as_often_as_its_middle(crop: int) -> None:
    rows, columns = np.indices((128, 128), np.uint8)
    tile = np.stack([rows, columns, columns], axis=-1)
    degraded = SampleInfo(image_id="0", part="0", box=(0, 0, 256, 256), augmented=Draw(noise=0.1))
    sample, rng = Sample("0-0", tile, tile.repeat(2, axis=0).repeat(2, axis=1), degraded), np.random.default_rng(0)
    count = np.zeros((128, 128))
    for _ in range(2000):
        lr, _ = random_crop(sample, crop, rng)
        count[lr[..., 0], lr[..., 1]] += 1
    middle = count[48:80, 48:80].mean()
    edges = np.concatenate([count[0, 32:96], count[-1, 32:96], count[32:96, 0], count[32:96, -1]]).mean()
    assert 0.25 * middle < edges < middle
    assert count.max() < 3 * middle


def test_lr_and_hr_crops_are_aligned(tmp_path: Path) -> None:
    made = Batches(data.read(small_config(tmp_path)).training, size=8, crop=32, seed=0)
    lr, hr = (side.float() for side in made[0])
    halved = torch.nn.functional.avg_pool2d(hr, 2)
    error = (halved - lr).abs().mean(dim=(1, 2, 3))
    assert lr.shape == (8, 3, 32, 32)
    assert hr.shape == (8, 3, 64, 64)
    assert error.max() < 6  # of 255, from two ways of downscaling; a misalignment would differ by tens


@pytest.mark.parametrize(
    ("crop", "drawn", "share"),
    [
        (48, None, 0.5),
        (MOST_CROP, None, 0.5),
        (48, Draw(scale=0.5, shift=0.1), 0.5),
        (48, Draw(noise=0.05), 0.0),
        (48, Draw(quality=75), 0.0),
    ],
    ids=["clean", "as large as fit", "scaled and shifted", "noisy", "compressed"],
)
def test_half_of_the_crops_come_from_the_downsampled_image_unless_the_lr_tile_is_degraded(
    crop: int, drawn: Draw | None, share: float
) -> None:
    rng = np.random.default_rng(0)
    info = SampleInfo(image_id="picture", part="train_0", box=(0, 0, 256, 256), augmented=drawn)
    tile = Sample("picture-0", np.full((128, 128, 3), 100, np.uint8), np.full((256, 256, 3), 200, np.uint8), info)
    cut = [random_crop(tile, crop, rng) for _ in range(200)]
    assert {lr.shape + hr.shape for lr, hr in cut} == {(crop, crop, 3, 2 * crop, 2 * crop, 3)}
    assert np.mean([hr.max() == 100 for _, hr in cut]) == pytest.approx(share, abs=0.1)


def test_jpeg_compression_affects_the_lr_crops_only(tmp_path: Path) -> None:
    config = small_config(tmp_path, jpeg=True)
    (tile,) = (data.load(entry) for entry in data.read(config).training[:1])
    lr, hr = random_crop(tile, 128, np.random.default_rng(0), jpeg=True)
    sides = [np.rot90(side, turns) for side in (lr, lr[:, ::-1]) for turns in range(4)]
    assert 1 < min(np.abs(side.astype(float) - tile.lr).mean() for side in sides) < 10
    assert np.sort(hr, axis=None).tolist() == np.sort(tile.hr, axis=None).tolist()
    for one, same in zip(*(batches.of(data.read(config).training, config)[3] for _ in range(2)), strict=True):
        assert torch.equal(one, same)


def test_an_epoch_decodes_every_tile_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = data.entries([write_shard(tmp_path / "train_0", pictures=8)])
    decoded: list[str] = []
    load = data.load

    def load_noted(entry: Entry) -> Sample:
        decoded.append(entry.key)
        return load(entry)

    monkeypatch.setattr(data, "load", load_noted)
    made = Batches(tiles, size=8, crop=8, seed=0)
    for step in range(5):  # the window of 8 moves by 2 to the end of the 16 tiles
        made[step]
    assert sorted(decoded) == sorted(tile.key for tile in tiles)


@pytest.mark.parametrize("crop", [8, 48, MOST_CROP])
def test_batches_of_tiles_on_a_device_are_the_same(tmp_path: Path, crop: int) -> None:
    write_shard(tmp_path / "train_1", first=10, draw=Draw(noise=0.05))
    both = (tmp_path / "train_0", tmp_path / "train_1")
    config = small_config(tmp_path, shards=both, batch=5, crop=crop)
    tiles = data.read(config).training
    read, kept = batches.of(tiles, config), ResidentBatches(tiles, config, torch.device("cpu"))
    for step in range(6):
        for ours, theirs in zip(kept[step], read[step], strict=True):
            assert torch.equal(ours, theirs)


def test_batches_of_decoded_tiles_are_the_same(tmp_path: Path) -> None:
    write_shard(tmp_path / "train_1", first=10, draw=Draw(noise=0.05))
    config = small_config(tmp_path, shards=(tmp_path / "train_0", tmp_path / "train_1"), batch=5, crop=16, jpeg=True)
    made = batches.of(data.read(config).training, config)
    with decoded.decoded(made.tiles) as tiles:
        assert tiles
        for step in range(6):
            for ours, theirs in zip(replace(made, decoded=tiles)[step], made[step], strict=True):
                assert torch.equal(ours, theirs)
    assert not tiles.folder.exists()


@pytest.mark.slow
def test_a_killed_training_leaves_no_loaders_and_no_decoded_tiles(tmp_path: Path) -> None:
    shards, temporary = write_shard(tmp_path / "train_0"), tmp_path / "temporary"
    temporary.mkdir()
    train = f"""
import time
from pathlib import Path
from training_pipeline import data, loader
from training_pipeline.batches import Batches
if __name__ == "__main__":
    loaded = loader.prefetched(Batches(data.entries([Path({str(shards)!r})]), 3, 8, 1), 0, 1)
    next(loaded)
    print("loaded", flush=True)
    time.sleep(60)
"""
    (tmp_path / "train.py").write_text(train)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    command = [sys.executable, str(tmp_path / "train.py")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout and killed.stdout.readline() == "loaded\n"
        assert list(temporary.iterdir())
        loaders = psutil.Process(killed.pid).children(recursive=True)
        killed.kill()
    _, alive = psutil.wait_procs(loaders, timeout=10)
    for one in alive:
        one.kill()
    assert not alive
    assert not list(temporary.iterdir())


def test_tiles_are_decoded_ahead_only_if_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiles = data.read(small_config(tmp_path)).training
    for place in ("psutil.virtual_memory", "shutil.disk_usage"):
        with monkeypatch.context() as patched:
            room = Mock(available=len(tiles) * decoded.TILE_BYTES, free=len(tiles) * decoded.TILE_BYTES)
            patched.setattr(f"training_pipeline.decoded.{place}", lambda *_, room=room: room)
            with decoded.decoded(tiles) as none:
                assert none is None


def test_processes_of_one_machine_share_the_room_for_decoded_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = data.read(small_config(tmp_path)).training
    room = Mock(available=3 * len(tiles) * decoded.TILE_BYTES)
    monkeypatch.setattr("training_pipeline.decoded.psutil.virtual_memory", lambda: room)
    with decoded.decoded(tiles) as alone:
        assert alone
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with decoded.decoded(tiles) as none:
        assert none is None


def test_decoded_tiles_have_their_space_before_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = data.read(small_config(tmp_path)).training
    monkeypatch.setattr(data, "load_all", lambda *_: None)
    made = decoded.DecodedTiles(tmp_path, len(tiles))
    made.fill(tiles)
    files = [(tmp_path / name).stat() for name in decoded.FILES]
    assert sum(file.st_size for file in files) == len(tiles) * decoded.TILE_BYTES
    assert all(file.st_blocks * 512 >= file.st_size for file in files)


def test_only_tiles_that_fit_stay_on_a_device() -> None:
    assert resident.fits(8_000, torch.device("cpu"))
    assert not resident.fits(9_000, torch.device("cpu"))
