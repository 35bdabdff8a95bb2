"""Ablation study: versions that each change one setting, trained for the same number of steps and scored."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from training_pipeline import data, held_out, scoreboard, scoring, train
from training_pipeline.commands import AblationConfig, ScoringConfig
from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError
from training_pipeline.train import DivergedError
from upscaler.streams import warn


@dataclass(frozen=True)
class Version:
    """A row of the study: `changes` to the first row's configuration; `augmented` uses the augmented tiles."""

    name: str
    changed: str
    changes: dict[str, Any] = field(default_factory=dict)
    augmented: bool = False


VERSIONS = (
    Version("v1", "the plain tiny network"),
    Version("v2", "weight decay 0.3", {"weight_decay": 0.3}),
    Version("v3", "weight decay 0.1", {"weight_decay": 0.1}),
    Version("v4", "learning rate 1e-4", {"learning_rate": 1e-4}),
    Version("v5", "learning rate 3e-4", {"learning_rate": 3e-4}),
    Version("v6", "learning rate 3e-3", {"learning_rate": 3e-3}),
    Version("v7", "learning rate 1e-2", {"learning_rate": 1e-2}),
    Version("v8", "dropout 0.1", {"dropout": 0.1}),
    Version("v9", "24 channels, 10 layers", {"size": "24x10"}),
    Version("v10", "augmented tiles", augmented=True),
    Version("v11", "10 % of the pictures", {"share": 0.1}),
    Version("v12", "25 % of the pictures", {"share": 0.25}),
    Version("v13", "re-parameterised branches", {"branches": True}),
    Version("v14", "the small network", {"size": "small"}),
)


def run(config: AblationConfig) -> None:
    """Train and score the unfinished versions. Raises TrainingError before the first step if data are missing."""
    versions = list(chosen(config))
    for version in versions:
        _check_data(config, version)
    for version in versions:
        try:
            _train_and_score(config, version)
        except DivergedError as error:
            warn(f"{version.name} has no row: {error}")


def chosen(config: AblationConfig) -> Iterator[Version]:
    """Yield the selected versions. Raises TrainingError if one is unknown or lacks its tiles."""
    if unknown := sorted(set(config.names) - {version.name for version in VERSIONS}):
        raise TrainingError(f"there is no version {unknown[0]}; give some of v1 to v{len(VERSIONS)}")
    for version in VERSIONS:
        if not config.names or version.name in config.names:
            if version.augmented and not config.augmented:
                raise TrainingError(
                    f"{version.name} needs augmented tiles; make them with python -m feature_pipeline --augment and "
                    "give --augmented, or exclude it with --rows"
                )
            yield version


def run_config(config: AblationConfig, version: Version) -> TrainingConfig:
    """Return the configuration of the version's run, with its own folder."""
    shards = config.augmented if version.augmented else config.first.shards
    out = config.first.out / version.name
    return replace(config.first, **version.changes, shards=shards, test=(config.test,), out=out)


def _check_data(config: AblationConfig, version: Version) -> None:
    data.read(run_config(config, version))
    held_out.parts(config.test)


def _train_and_score(config: AblationConfig, version: Version) -> None:
    model = train.run(run_config(config, version), resume=True)
    board = scoreboard.read(config.scoreboard)
    if board is None or not any((row.version, row.revision) == (version.name, model.revision) for row in board.rows):
        scoring.add(ScoringConfig(str(model.folder), config.test, config.scoreboard, version.name, version.changed))
