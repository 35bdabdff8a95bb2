"""Training tasks for an engine, one for each network."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from cluster.engine import Engine
from cluster.task import Task
from cluster.workplace import work_in
from training_pipeline import folds, train
from training_pipeline.commands import RunsConfig, own_folder
from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError
from training_pipeline.train import RunFactory
from upscaler.model.artifact import Artifact


def run_all(config: RunsConfig) -> None:
    """Train all networks of the command line. Raises TrainingError if one failed, after the others are trained.

    With a storage, runs always resume from their last checkpoint, because a task is repeated if its node dies.
    """
    configs = each(config.first) if config.each else [config.first]
    engine = config.engine
    if config.folds:
        for one in configs:
            folds.run(one, config.folds, config.resume, config.overwrite)
    elif engine.storage is None:
        for one in configs:
            train.run(one, config.resume, overwrite=config.overwrite)
    elif failed := engine.run([task(one, engine.storage, engine.gpus) for one in configs]):
        raise TrainingError(f"{', '.join(failed)} failed, see above; run the same command to resume")


def run_one(config: TrainingConfig, engine: Engine, make_run: RunFactory) -> Artifact:
    """Train one network, or resume it, and wait for it; with a storage, its artifact's files are there.

    make_run: a factory in place of `Run`, picklable for Ray.
    """
    if engine.storage is None:
        return train.run(config, resume=True, make_run=make_run)
    trained: Artifact = engine.do(task(config, engine.storage, engine.gpus, make_run))
    return trained


def each(config: TrainingConfig) -> list[TrainingConfig]:
    """Return a configuration for each shard folder, instead of one for all."""
    return [replace(config, shards=(folder,), out=own_folder(config, folder)) for folder in config.shards]


def task(config: TrainingConfig, storage: str, gpus: float = 0, make_run: RunFactory | None = None) -> Task:
    """Return a task for one network, with a core for each thread, so that the result equals that of one machine."""
    return Task(config.out.name, "training", partial(train_in, config, storage, make_run), config.threads, gpus)


def train_in(config: TrainingConfig, storage: str, make_run: RunFactory | None = None) -> Artifact:
    """Train one network on shards of the storage and write it there, or resume it.

    A warm start is there, too, or at an absolute path on the node.
    """
    inputs = [*config.shards, *config.validation, *config.test]
    if config.init_from and not (start := Path(config.init_from)).is_absolute():
        inputs.append(start)  # nothing is fetched for a bundled model or one on the Hub
    return work_in(storage, inputs, config.out, partial(train.run, config, resume=True, make_run=make_run))
