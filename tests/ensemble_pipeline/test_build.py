"""Builds: what they start from and make of it."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ensemble_pipeline import build
from ensemble_pipeline.config import RUNS, SHARDS, VALIDATION, BuildConfig
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline import tasks as features
from feature_pipeline.config import FeatureConfig
from support.faulty_bucket import Bucket, serve
from support.models import write_run
from support.parts import part
from support.shards import write_shard
from support.training_runs import small_config
from training_pipeline.folder import checkpoints
from upscaler.model import artifact


@pytest.mark.parametrize("start", ["../warm", "{}/warm", "runs/warm", "./runs/warm"])
def test_a_build_starts_from_a_model_anywhere(start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = tmp_path / "work"
    for folder in (tmp_path / "warm", work / "runs/warm"):
        write_run(folder, seed=1)
    write_shard(work / "shards/train_0")
    write_shard(work / "shards/validation", first=1000)
    monkeypatch.chdir(work)
    monkeypatch.setattr(features, "tasks", lambda config, storage: [])  # shards are made already
    first = small_config(work, steps=1, validation=(SHARDS / VALIDATION,), init_from=start.format(tmp_path))
    config = BuildConfig(FeatureConfig(("train_0",), SHARDS), first)
    build.run(config)
    assert artifact.read(config.out).config.networks == 1


@pytest.mark.parametrize("now", [3, None])
def test_a_build_takes_more_steps_but_no_other_images_than_its_runs(
    now: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serve(Bucket({"train_0": part(4), "validation": part(4, first=9)})) as bucket:
        cut = FeatureConfig(("train_0",), SHARDS, bucket.endpoint_url, images=2, tiles_per_image=1)
        first = small_config(tmp_path, steps=1, validation=(SHARDS / VALIDATION,))
        config = BuildConfig(cut, first)
        build.run(config)
        longer = replace(config, first=replace(first, steps=2))
        build.run(longer)
        assert max(checkpoints(RUNS / "train_0")) == 2

        before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
        more = replace(longer, features=replace(cut, images=now), overwrite=True)
        with pytest.raises(EnsembleError, match=r"runs/train_0 was made with --images 2.*; give the same, or remove"):
            build.run(more)
        assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before

        shutil.rmtree("runs")
        build.run(more)
        assert [member.pictures for member in artifact.read(config.out).config.members] == [now or 4]
