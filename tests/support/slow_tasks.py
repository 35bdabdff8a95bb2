"""The stages' tasks, held up in the middle so that their node can be killed then. Nodes import this module."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from feature_pipeline import shards
from feature_pipeline import tasks as features
from feature_pipeline.config import FeatureConfig
from training_pipeline import evaluation, train
from training_pipeline import tasks as training
from training_pipeline.config import TrainingConfig
from training_pipeline.train import Run
from upscaler.atomic import write_text

_LONG = 300  # seconds, in which the node is killed


def make_part(config: FeatureConfig, place: str, held: Path | None) -> None:
    """Run the feature pipeline; hold it up before the second record of a shard, unless the file `held` exists."""

    def write_or_wait(target: Path, *rest: Any) -> None:
        if held and target.name.endswith("-00001.json"):
            _hold_up(held)
        write_text(target, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "write_text", write_or_wait)
        features.make_part(config, place)


def train_in(config: TrainingConfig, place: str, held: Path | None) -> None:
    """Run the training, with a checkpoint after every second step; hold it up after the first one, as a part."""
    advance = Run.advance

    def advance_or_wait(run: Run, *batch: torch.Tensor) -> None:
        if held and run.step == 2:
            _hold_up(held)
        advance(run, *batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "advance", advance_or_wait)
        patch.setattr(train, "EVALUATE_EVERY", 2)
        patch.setattr(evaluation, "MOST_TILES", 1)
        training.train_in(config, place)


def _hold_up(held: Path) -> None:
    """Wait, the first time."""
    if not held.exists():
        held.touch()
        time.sleep(_LONG)
