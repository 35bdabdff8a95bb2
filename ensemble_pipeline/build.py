"""The full pipeline from the bucket to the ensemble: shards and a network for each part, then one model."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from cluster.engine import Engine
from cluster.task import Task
from cluster.workplace import work_in
from ensemble_pipeline import combine
from ensemble_pipeline.combine import CombineConfig
from ensemble_pipeline.errors import EnsembleError
from ensemble_pipeline.members import How
from feature_pipeline import tasks as features
from feature_pipeline.pipeline import FeatureConfig
from training_pipeline import tasks as training
from training_pipeline.config import TrainingConfig

SHARDS, RUNS, VALIDATION = Path("shards"), Path("runs"), "validation"


@dataclass(frozen=True)
class BuildConfig:
    """`features`: the training parts, and how they are cut. `first`: what the runs have in common; its shards and its
    folder are those of each part. `allow_missing`: combine what there is where a part failed."""

    features: FeatureConfig
    first: TrainingConfig
    out: Path
    how: How
    engine: Engine
    gpus: float = 0
    allow_missing: bool = False


def run(config: BuildConfig) -> None:
    """Build the missing shards, networks and the ensemble. Raises EnsembleError if a part failed, after the others."""
    storage = config.engine.storage or "."
    parts = replace(config.features, parts=(*config.features.parts, VALIDATION))
    failed = config.engine.run(features.tasks(parts, storage))
    if VALIDATION in failed:
        raise EnsembleError("the validation part failed, and networks need it for scoring; run the same command again")
    made = [part for part in config.features.parts if part not in failed]
    failed |= config.engine.run(_training_tasks(config, made, storage))
    trained = [RUNS / part for part in made if part not in failed]
    _check_complete(config, failed, trained)
    combined = CombineConfig(tuple(trained), config.out, config.how)
    work_in(storage, trained, config.out, partial(combine.run, combined))
    print(f"{config.out}: {len(trained)} networks, {config.how}")


def _training_tasks(config: BuildConfig, parts: Sequence[str], storage: str) -> list[Task]:
    runs = [replace(config.first, shards=(SHARDS / part,), out=RUNS / part) for part in parts]
    return [training.task(one, storage, config.gpus) for one in runs]


def _check_complete(config: BuildConfig, failed: dict[str, str], trained: Sequence[Path]) -> None:
    if failed and not (config.allow_missing and trained):
        raise EnsembleError(
            f"there is no network of {', '.join(sorted(failed))}; run the same command again, or build the ensemble "
            "without it with --allow-missing"
        )
    if failed:
        print(f"warning: the ensemble is built without {', '.join(sorted(failed))}", file=sys.stderr)
