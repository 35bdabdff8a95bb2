"""The stages' tasks, slowed down so that a node can be killed during one. Nodes import this module."""

import time
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


def make_part(config: FeatureConfig, place: str, seconds: float) -> None:
    """Run the feature pipeline with a pause before each record of a shard."""

    def write_late(*arguments: Any) -> None:
        time.sleep(seconds)
        write_text(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "write_text", write_late)
        features.make_part(config, place)


def train_in(config: TrainingConfig, place: str, seconds: float) -> None:
    """Run the training with a pause before each step and a checkpoint after every second one."""
    advance = Run.advance

    def advance_late(run: Run, *batch: torch.Tensor) -> None:
        time.sleep(seconds)
        advance(run, *batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "advance", advance_late)
        patch.setattr(train, "EVALUATE_EVERY", 2)
        patch.setattr(evaluation, "MOST_TILES", 1)
        training.train_in(config, place)
