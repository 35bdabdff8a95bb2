"""Options of the commands around a training run: several runs, the ablation, the search, the scoreboard."""

import os
from dataclasses import MISSING, dataclass
from pathlib import Path

from cluster.engine import Engine
from feature_pipeline.config import MOST_WORKERS
from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError
from upscaler.model import find
from upscaler.options import check_limits, option, part, same

WHERE = "where, see docs/scaling.md"
ABLATION_BATCH = 18  # half of the usual one, so that the fourteen rows take an afternoon of one core


@dataclass(frozen=True, kw_only=True)
class RunsConfig:
    """Networks to train: one, one for each fold, or one for each folder of shards.

    Raises OptionError if an option is outside its limits, TrainingError if options exclude each other.
    """

    first: TrainingConfig = part(validation=())
    folds: int | None = option(
        "cross-validation, in place of --validation: hold out each of so many parts of the pictures",
        default=None,
        least=2,
    )
    each: bool = option("one network for each --shards, in a folder in --out", default=False)
    resume: bool = option("resume the run in --out, if there is one", default=False)
    overwrite: bool = option("replace the run or model in --out", default=False)
    engine: Engine = part(title=WHERE)

    def __post_init__(self) -> None:
        check_limits(self)
        if bool(self.first.validation) == bool(self.folds):
            raise TrainingError(
                "a run is scored on pictures it has not seen; give --validation or --folds, one of them"
            )
        if self.folds and self.engine.storage:
            raise TrainingError("--folds trains here alone; leave out --storage, or give --validation")
        if self.overwrite and (self.resume or self.engine.storage):
            raise TrainingError("--overwrite starts anew, --resume and --storage continue; leave out one")
        if self.each:
            _check_names(self.first)


def _check_names(config: TrainingConfig) -> None:
    """Raise TrainingError if two folders of shards have one name, by which `--each` names their runs."""
    seen = dict[Path, Path]()
    for folder in config.shards:
        out = own_folder(config, folder)
        if other := seen.get(out):
            raise TrainingError(
                f"--each would train on {other} and {folder} in one folder, {out}; "
                "rename one, or train on it in a run without --each"
            )
        seen[out] = folder


def own_folder(config: TrainingConfig, shards: Path) -> Path:
    """Return the folder of the run that `--each` makes of one folder of shards; a link has a name of its own."""
    return config.out / Path(os.path.normpath(shards.absolute())).name


@dataclass(frozen=True)
class ScoringConfig:
    """A model to score, and the scoreboard. `version` and `changed`: text of its row."""

    model: str = option(find.NAMES, positional=True)
    test: Path = option("tile shards of the test set")
    scoreboard: Path = option("folder of the scoreboard", default=Path("docs/scoreboard"))
    version: str | None = option("name of the row (default: the model's); a row of that name is replaced", default=None)
    changed: str = option("text of the row: what this version changes", default="")


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """`first`: the run of the first version, with the folder of all as `out`. `names`: only these versions.

    Raises OptionError if an option is outside its limits.
    """

    first: TrainingConfig = part(
        *("shards", "validation", "out", "steps", "seed", "threads"),
        steps=2000,
        size="tiny",
        branches=False,
        batch=ABLATION_BATCH,
    )
    augmented: tuple[Path, ...] = option(
        "the same parts, made with feature_pipeline --augment", default=(), distinct=True
    )
    test: Path = same(ScoringConfig, "test")
    scoreboard: Path = same(ScoringConfig, "scoreboard")
    names: tuple[str, ...] = option(
        "only these versions, such as v1 v4", default=(), flags=("--rows",), listed=True, metavar="ROW"
    )

    def __post_init__(self) -> None:
        check_limits(self)


@dataclass(frozen=True)
class TuningConfig:
    """`first`: what trials have in common, with the study's folder as `out`. `trials`: finished ones to end with.

    `engine`: where the trials are trained; the study stays on this machine. Raises OptionError if an option is outside
    its limits.
    """

    first: TrainingConfig = part(
        *("shards", "validation", "test", "out", "steps", "size", "branches", "init_from", "seed", "threads"),
        steps=MISSING,
    )
    trials: int = option("finished trials in the study, of all workers", least=1)
    workers: int = option("processes that share the study", default=1, least=1, most=MOST_WORKERS)
    engine: Engine = part(title=WHERE, default_factory=Engine)

    def __post_init__(self) -> None:
        check_limits(self)
