"""Trackers: TensorBoard as others read it, and a stand-in for Weights & Biases."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from support.training_runs import small_config
from training_pipeline import evaluation, trackers, train
from training_pipeline.errors import TrainingError


@pytest.fixture(autouse=True)
def one_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluate on one tile."""
    monkeypatch.setattr(evaluation, "MOST_TILES", 1)


class Service:
    """A stand-in for the package wandb, with the runs that were started."""

    class Error(Exception):
        """Base of its errors."""

    def __init__(self) -> None:
        self.started: list[dict[str, Any]] = []
        self.logged: list[dict[str, float]] = []
        self.finished = 0
        self.refuses = False
        self.__spec__ = SimpleNamespace()

    def init(self, **options: Any) -> "Service":
        if self.refuses:
            raise self.Error("no API key")
        self.started.append(options)
        return self

    def define_metric(self, name: str, step_metric: str) -> None:
        assert (name, step_metric) == ("*", "step")

    def log(self, measures: dict[str, float]) -> None:
        self.logged.append(measures)

    def finish(self) -> None:
        self.finished += 1


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    one = Service()
    monkeypatch.setitem(sys.modules, "wandb", one)
    return one


def test_tensorboard_has_the_curve_and_the_baseline(tmp_path: Path) -> None:
    config = small_config(tmp_path, steps=4, evaluate_every=2, track=("tensorboard",))
    train.run(config)
    board = EventAccumulator(str(config.out / "tensorboard")).Reload()
    curve = {event.step: event.value for event in board.Scalars("psnr_y")}
    assert list(curve) == [2, 4]
    assert {event.value for event in board.Scalars("bicubic_psnr_y")} != set(curve.values())


@pytest.mark.slow
def test_a_resumed_run_continues_the_one_on_the_service(tmp_path: Path, service: Service) -> None:
    config = small_config(tmp_path, steps=2, schedule="wsd", evaluate_every=1, track=("wandb",))
    train.run(config)
    assert [row["step"] for row in service.logged] == [1, 2]
    assert service.logged[0].keys() >= {"psnr_y", "bicubic_psnr_y", "loss", "learning_rate"}
    assert service.started[0]["config"]["batch"] == config.batch
    train.run(replace(config, steps=3), resume=True)
    first, second = service.started
    assert (first["id"], first["resume"]) == (second["id"], "allow")
    train.run(config, overwrite=True)
    assert service.started[2]["id"] != first["id"]
    assert service.finished == 3


def test_a_service_that_does_not_start_is_one_sentence(tmp_path: Path, service: Service) -> None:
    service.refuses = True
    with pytest.raises(TrainingError, match=r"does not start \(no API key\); run wandb login, or set WANDB_MODE"):
        train.run(small_config(tmp_path, track=("wandb",)))


def test_a_missing_package_is_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    config = small_config(tmp_path, track=("wandb",))
    with pytest.raises(TrainingError, match="--track wandb needs a package; run pip install wandb"):
        train.run(config)
    assert not config.out.exists()
