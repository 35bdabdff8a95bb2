"""Feature tasks for an engine, one for each part."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cluster.engine import Engine
from cluster.task import Task
from cluster.workplace import work_in
from feature_pipeline import pipeline
from feature_pipeline.config import FeatureConfig
from feature_pipeline.errors import FeatureError


def run(config: FeatureConfig, engine: Engine) -> None:
    """Make the shards of all parts. Raises FeatureError if a part failed, after the others are done."""
    if engine.storage is None:
        pipeline.run(config)
    elif failed := engine.run(tasks(config, engine.storage)):
        raise FeatureError(f"{', '.join(failed)} failed, see above; run the same command to resume")


def tasks(config: FeatureConfig, storage: str) -> Sequence[Task]:
    """Return a task for each part, with a core for each worker. A node's disk holds one shard at a time."""
    return [
        Task(part, "features", partial(make_part, replace(config, parts=(part,)), storage), cpus=config.workers)
        for part in config.parts
    ]


def make_part(config: FeatureConfig, storage: str) -> None:
    """Make the one part of `config` in the storage, or resume it."""
    (part,) = config.parts
    work_in(storage, (), config.out / part, partial(pipeline.run, config), kept=_is_no_tar)


def _is_no_tar(name: str) -> bool:
    return Path(name).suffix != ".tar"
