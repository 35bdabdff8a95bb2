"""Builds: what they start from and make of it."""

from pathlib import Path

import pytest

from ensemble_pipeline import build
from ensemble_pipeline.config import SHARDS, VALIDATION, BuildConfig
from feature_pipeline import tasks as features
from feature_pipeline.config import FeatureConfig
from support.models import write_run
from support.shards import write_shard
from support.training_runs import small_config
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
