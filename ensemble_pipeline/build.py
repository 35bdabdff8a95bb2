"""The full pipeline from the bucket to the ensemble: shards and a network for each part, then one model."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster.lock import locked
from cluster.storage import at
from cluster.task import Task
from cluster.workplace import work_in
from ensemble_pipeline import combine
from ensemble_pipeline.config import RUNS, SHARDS, VALIDATION, BuildConfig, CombineConfig, Distillation
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline import shards
from feature_pipeline import tasks as features
from feature_pipeline.config import FeatureConfig
from feature_pipeline.manifest import CONFIG
from training_pipeline import folder
from training_pipeline import tasks as training
from training_pipeline.folder import BUILD, Kind
from upscaler import saved
from upscaler.links import followed
from upscaler.options import describe
from upscaler.streams import warn


def run(config: BuildConfig) -> None:
    """Build the missing shards, networks and the ensemble.

    Raises EnsembleError if a part failed, after the others. Before anything is made, raises TrainingError if the
    model's folder, here or in the storage, holds one of other parts, EnsembleError if runs whose shards are there
    have other --images, and InUseError if another build works here.
    """
    if storage := config.engine.storage:
        work_in(storage, [], config.out, partial(_check, config), kept=lambda name: name == BUILD)
        _run(config, storage)
        return
    _check(config)
    with locked(Path()):
        _run(config, ".")


def _check(config: BuildConfig) -> None:
    folder.check(config.out, partial(_is_same, config), config.overwrite)


def _is_same(config: BuildConfig, _: Kind) -> bool:
    """Return True if the model in the folder was built of the same parts in the same way."""
    record = config.out / BUILD
    before = saved.read(record) if record.exists() else {}
    ways = ((before.get(name), getattr(config, name)) for name in ("how", "into", "student_steps"))
    same_way = all((old or None) == (new or None) for old, new in ways)  # older records lack the student
    return same_way and before.get("features", {}).get("parts") == list(config.features.parts)


def _check_images(config: BuildConfig, storage: str) -> None:
    """Raise EnsembleError if a run exists whose shards would become others, which it could not resume with."""
    place = at(storage)
    with TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        for part in config.parts:
            tiles, run = SHARDS / part, RUNS / part
            if CONFIG not in place.sizes(tiles.as_posix()) or not place.sizes(run.as_posix()):
                continue
            place.get((tiles / CONFIG).as_posix(), tiles / CONFIG)
            before, now = shards.read_settings(tiles).images, config.features.images
            if before != now:
                raise EnsembleError(
                    f"the run in {run} was made {describe(FeatureConfig, 'images', before, now)}; "
                    f"give the same, or remove {RUNS}, or build in another folder"
                )


def _run(config: BuildConfig, storage: str) -> None:
    _check_images(config, storage)
    parts = replace(config.features, parts=(*config.parts, *config.held_out))
    failed = config.engine.run(features.tasks(parts, storage))
    if missing := [part for part in config.held_out if part in failed]:
        raise EnsembleError(f"the {missing[0]} part failed, which no network may have seen; run the same command again")
    made = [part for part in config.parts if part not in failed]
    failed |= config.engine.run(_training_tasks(config, made, storage))
    trained = [RUNS / part for part in made if part not in failed]
    _check_complete(config, failed, trained)
    wanted = _combination(config, tuple(trained))
    inputs = [*wanted.runs, *wanted.distillation.shards, *wanted.validation, *wanted.distillation.test]
    work_in(storage, inputs, config.out, partial(_combine, config, wanted))


def _combine(config: BuildConfig, wanted: CombineConfig) -> None:
    _check(config)  # again, as another build may have used the storage in between
    combine.run(wanted, config)


def _combination(config: BuildConfig, trained: tuple[Path, ...]) -> CombineConfig:
    if config.how != "distill":
        return CombineConfig(trained, config.out, config.how, overwrite=True)
    student = Distillation(
        into=config.into,
        shards=tuple(SHARDS / run.name for run in trained),
        test=config.test,
        steps=config.student_steps,
        jpeg=config.first.jpeg,
        threads=config.first.threads,
        checkpoint_every=config.first.checkpoint_every,
    )
    validation = (SHARDS / VALIDATION,)
    return CombineConfig(trained, config.out, "distill", overwrite=True, validation=validation, distillation=student)


def _training_tasks(config: BuildConfig, parts: Sequence[str], storage: str) -> list[Task]:
    first = (
        config.first if config.engine.storage else replace(config.first, init_from=_absolute(config.first.init_from))
    )
    runs = [replace(first, shards=(SHARDS / part,), test=config.test, out=RUNS / part) for part in parts]
    return [training.task(one, storage, config.engine.gpus) for one in runs]


def _absolute(start: str | None) -> str | None:
    """Name a warm start outside the working folder such that tasks, which run in folders of their own, find it."""
    outside = start and Path(start).is_dir() and not followed(Path(start)).is_relative_to(Path.cwd())
    return str(followed(Path(start))) if start and outside else start


def _check_complete(config: BuildConfig, failed: dict[str, str], trained: Sequence[Path]) -> None:
    if failed and not (config.allow_missing and trained):
        raise EnsembleError(
            f"there is no network of {', '.join(sorted(failed))}; run the same command again, or build the ensemble "
            "without it with --allow-missing"
        )
    if failed:
        warn(f"the ensemble is built without {', '.join(sorted(failed))}")
