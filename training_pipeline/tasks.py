"""Training where an engine places it: a task for each network."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cluster.engine import Engine
from cluster.task import Task
from cluster.workplace import work_in
from training_pipeline import folds, train
from training_pipeline.commands import RunsConfig
from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError
from upscaler.model.artifact import Artifact


def run_all(config: RunsConfig) -> None:
    """Train what the command line asks for. Raises TrainingError if some runs failed; the others are trained."""
    configs = each(config.first) if config.each else [config.first]
    if config.folds:
        for one in configs:
            folds.run(one, config.folds, config.resume)
    else:
        run(configs, config.engine, config.resume)


def run(configs: Sequence[TrainingConfig], engine: Engine, resume: bool) -> None:
    """Train all networks. Raises TrainingError if some failed; the others are trained.

    In a storage, runs always go on from their last checkpoint, because a task whose node died is done again.
    """
    if engine.storage is None:
        for config in configs:
            train.run(config, resume)
    elif failed := engine.run([task(config, engine.storage, engine.gpus) for config in configs]):
        raise TrainingError(f"{', '.join(failed)} failed, as said above; the same command goes on")


def run_one(config: TrainingConfig, engine: Engine) -> Artifact:
    """Train one network, going on after what is there, and wait for it; its artifact's files lie in the storage."""
    if engine.storage is None:
        return train.run(config, resume=True)
    trained: Artifact = engine.do(task(config, engine.storage, engine.gpus))
    return trained


def each(config: TrainingConfig) -> list[TrainingConfig]:
    """One network of each of the shard folders, in a folder of its own, instead of one of all."""
    return [replace(config, shards=(folder,), out=config.out / folder.name) for folder in config.shards]


def task(config: TrainingConfig, storage: str, gpus: float = 0) -> Task:
    """One network, with a core for each of its threads, so that the same bits come out as on one machine."""
    return Task(config.out.name, "training", partial(train_in, config, storage), config.threads, gpus)


def train_in(config: TrainingConfig, storage: str) -> Artifact:
    """Train one network on shards of the storage, in the storage, going on after what is there."""
    inputs = [*config.shards, *config.validation]
    if config.init_from:
        inputs.append(Path(config.init_from))  # nothing is fetched if it ships or is on the Hub
    return work_in(storage, inputs, config.out, partial(train.run, config, resume=True))
