"""Feature tasks for an engine, one for each part."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from cluster.engine import Engine
from cluster.storage import Storage, at
from cluster.task import Task
from cluster.workplace import work_in
from feature_pipeline import attribution, pipeline
from feature_pipeline.config import FeatureConfig
from feature_pipeline.errors import FeatureError


def run(config: FeatureConfig, engine: Engine) -> None:
    """Make the shards of all parts. Raises FeatureError if a part failed, after the others are done."""
    if engine.storage is None:
        pipeline.run(config)
    elif failed := engine.run(tasks(config, engine.storage)):
        raise FeatureError(f"{', '.join(failed)} failed, see above; run the same command to resume")


def tasks(config: FeatureConfig, storage: str) -> Sequence[Task]:
    """Copy the lists into the storage; return a task for each part, with a core for each worker. Raises FeatureError.

    A node's disk holds the lists and one shard at a time.
    """
    shared = replace(config, metadata=tuple(_share(place, config.out, at(storage)) for place in config.metadata))
    return [
        Task(part, "features", partial(make_part, replace(shared, parts=(part,)), storage), cpus=config.workers)
        for part in config.parts
    ]


def make_part(config: FeatureConfig, storage: str) -> None:
    """Make the one part of `config` in the storage, or resume it. Its lists are files of the storage."""
    (part,) = config.parts
    lists = [Path(name).parent for name in config.metadata]
    work_in(storage, lists, config.out / part, partial(pipeline.run, config), kept=_is_no_tar)


def _share(place: str, out: Path, storage: Storage) -> str:
    """Copy a list into the storage, in a folder of its own, unless it is there; return its name. Raises FeatureError.

    Tasks run in other folders, or on nodes that lack this machine's files.
    """
    name = out / "metadata" / attribution.digest(place) / "list.csv"
    if name.name not in storage.sizes(name.parent.as_posix()):
        with tempfile.TemporaryDirectory(prefix="double_resolution_") as scratch:
            storage.put(attribution.fetch(place, Path(scratch)), name.as_posix())
    return name.as_posix()


def _is_no_tar(name: str) -> bool:
    return Path(name).suffix != ".tar"
