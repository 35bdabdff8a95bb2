"""Runs on several processes, as torchrun starts them."""

import json
import signal
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.shards import write_shard
from support.torchrun import TIMEOUT, two_processes
from support.training_runs import small_config
from training_pipeline import checkpoint, evaluation, folds, ranks, train
from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError

OPTIONS = {"size": "6x2-gated", "batch": 4, "crop": 8, "threads": 1, "seed": 3, "optimiser": "muon"}


@pytest.fixture
def shards(tmp_path: Path) -> tuple[Path, Path]:
    return write_shard(tmp_path / "train_0"), write_shard(tmp_path / "validation", pictures=1, first=1000, tiles=1)


def sharing(shards: tuple[Path, Path], out: Path, **changes: Any) -> "AbstractContextManager[subprocess.Popen[str]]":
    """Start a run on two processes; their messages go into `log` beside its folder."""
    values = {"shards": shards[0], "validation": shards[1], "out": out, **OPTIONS, **changes}
    options = [text for name, value in values.items() for text in (f"--{name}", str(value))]
    return two_processes(out.parent / "log", "training_pipeline", "--no-branches", "--resume", *options)


def losses(out: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_two_processes_train_like_one(
    shards: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "MOST_TILES", 1)
    with sharing(shards, tmp_path / "two", steps=5) as process:
        alone = TrainingConfig((shards[0],), (shards[1],), tmp_path / "one", branches=False, steps=5, **OPTIONS)  # type: ignore[arg-type]
        train.run(alone)
        assert process.wait(TIMEOUT) == 0, (tmp_path / "log").read_text()
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    one, two = (checkpoint.latest(tmp_path / name) for name in ("one", "two"))
    assert one and two and one.step == two.step == 5
    for key in one.states["muon"]["state"]:
        gradients = [run.states["muon"]["state"][key]["momentum"] for run in (one, two)]
        difference = (gradients[0] - gradients[1]).norm() / gradients[0].norm()
        assert difference < 0.03, key  # bfloat16 on some processors; half of the batch differs by 0.5


@pytest.mark.slow
def test_interrupted_processes_stop_at_one_step(shards: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "two"
    with sharing(shards, out, steps=99, batch=64, crop=60) as process:
        while not (out / "log.jsonl").exists():
            assert process.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
        time.sleep(1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(TIMEOUT) != 0
    stopped = checkpoint.latest(out)
    assert stopped and 0 < stopped.step < 99
    assert f"interrupted at step {stopped.step}; continue" in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_a_batch_that_two_processes_cannot_share_is_refused(shards: tuple[Path, Path], tmp_path: Path) -> None:
    with sharing(shards, tmp_path / "two", steps=3, batch=5) as process:
        assert process.wait(TIMEOUT) != 0
    message = "error: 2 processes cannot share --batch 5; give a multiple of 2"
    assert message in (tmp_path / "log").read_text()


@pytest.mark.parametrize("is_first", [True, False])
def test_the_first_process_alone_writes_the_scores_of_folds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_first: bool
) -> None:
    trained = SimpleNamespace(metrics={"validation": dict.fromkeys(folds.MEASURES, 30.0)})
    monkeypatch.setattr(train, "run", lambda *_, **__: trained)
    monkeypatch.setattr(ranks, "is_first", lambda: is_first)
    folds.run(small_config(tmp_path), 2, resume=False)
    assert (tmp_path / "run" / folds.RESULT).exists() == is_first
    assert ("2 folds: PSNR (Y) 30.00" in capsys.readouterr().out) == is_first


def test_processes_that_would_drop_the_same_channels_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(tmp_path, dropout=0.1)
    ranks.check(config)
    monkeypatch.setattr(ranks, "count", lambda: 2)
    with pytest.raises(TrainingError, match=r"--dropout 0\.1 would drop the same channels in every process"):
        ranks.check(config)
