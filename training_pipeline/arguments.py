"""The command line's arguments, each command's as its configuration."""

import argparse
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from cluster import engine
from cluster.engine import Engine
from training_pipeline import ablation as plans
from training_pipeline import optimisers, tasks
from training_pipeline import tune as searches
from training_pipeline.ablation import AblationConfig
from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError
from training_pipeline.losses import LOSSES
from training_pipeline.network import SIZES
from training_pipeline.scoring import ScoringConfig
from training_pipeline.tune import TuningConfig
from upscaler.model import find

PROGRAM = "python -m training_pipeline"
BATCH = 8  # of the plan: half of the usual one, so that its fourteen rows are an afternoon of one core


@dataclass(frozen=True)
class Training:
    """Networks to train: their configurations, the number of folds, whether to go on, where, on how many GPUs each."""

    configs: list[TrainingConfig]
    folds: int | None
    resume: bool
    engine: Engine
    gpus: float


def training(given: list[str], description: str | None) -> Training:
    """What the command without a name is to do."""
    parser = _parser("", description)
    _add_shards(parser)
    held_out = parser.add_mutually_exclusive_group(required=True)
    held_out.add_argument("--validation", **_FOLDERS, help="tile shards of other pictures, to be scored on; likewise")
    held_out.add_argument("--folds", type=int, help="cross-validate: hold each of so many parts of the pictures out")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, if there is one")
    _add_budget(parser)
    _add_network(parser)
    _add_optimisation(parser)
    parser.add_argument("--each", action="store_true", help="one network for each --shards, in a folder in --out")
    _add_engine(parser)
    values = vars(parser.parse_args(given))
    config, where = _config(values), engine.from_arguments(values)
    if values["folds"] and where.storage:
        raise TrainingError("--folds trains here alone; leave out --storage, or give --validation")
    configs = tasks.each(config) if values["each"] else [config]
    return Training(configs, values["folds"], values["resume"], where, values["gpus"])


def plan(given: list[str]) -> AblationConfig:
    """The fixed comparison's configuration."""
    parser = _parser("plan", plans.__doc__)
    _add_data(parser)
    parser.add_argument("--augmented", **_FOLDERS, help="the same parts, made with feature_pipeline --augment")
    _add_test(parser)
    parser.add_argument("--steps", type=int, default=2000, help="of each row")
    parser.add_argument("--rows", nargs="+", help="only these versions, such as v1 v4")
    _add_machine(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    values = vars(parser.parse_args(given))
    fixed = {"size": "tiny", "branches": False, "batch": BATCH}
    base = _config(values | fixed)
    return AblationConfig(base, tuple(values["augmented"] or ()), values["test"], values["scoreboard"], values["rows"])


def tune(given: list[str]) -> TuningConfig:
    """A search's configuration."""
    parser = _parser("tune", searches.__doc__)
    _add_data(parser)
    parser.add_argument("--steps", type=int, required=True, help="of each trial")
    parser.add_argument("--trials", type=int, required=True, help="finished ones in the study, all workers' counted")
    parser.add_argument("--workers", type=int, default=1, help="processes that share the study")
    _add_network(parser)
    _add_machine(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the study and its runs")
    _add_engine(parser)
    values = vars(parser.parse_args(given))
    where = engine.from_arguments(values)
    return TuningConfig(_config(values), values["trials"], values["workers"], where, values["gpus"])


def score(given: list[str]) -> ScoringConfig:
    """What a new row is to say."""
    parser = _parser("score", "Score a model on the first 10 % of the test set, as a row of the scoreboard.")
    parser.add_argument("model", help="a run's folder, or any other model")
    _add_test(parser)
    parser.add_argument("--version", help="the row's name (default: the model's); a row of that name is replaced")
    parser.add_argument("--changed", default="", help="what this version tries, for the row")
    return ScoringConfig(**vars(parser.parse_args(given)))


def final_test(given: list[str]) -> ScoringConfig:
    """Which model was chosen."""
    parser = _parser("final-test", "Score the chosen model on the other 90 % of the test set, once.")
    parser.add_argument("model", help=find.NAMES)
    _add_test(parser)
    return ScoringConfig(**vars(parser.parse_args(given)))


_FOLDERS: dict[str, Any] = {"type": Path, "action": "append"}


def _parser(command: str, description: str | None) -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"{PROGRAM} {command}".strip(),
        description=description,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )


def _config(values: dict[str, Any]) -> TrainingConfig:
    known = {field.name for field in fields(TrainingConfig)}
    given = {name: value for name, value in values.items() if name in known}
    folders = {name: tuple(values.get(name) or ()) for name in ("shards", "validation")}
    return TrainingConfig(**given | folders)


def _add_shards(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shards", **_FOLDERS, required=True, help="a folder of tile shards to learn from; may be given several times"
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    _add_shards(parser)
    parser.add_argument("--validation", **_FOLDERS, required=True, help="tile shards of other pictures; likewise")


def _add_test(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--test", type=Path, required=True, help="tile shards of the test set")
    parser.add_argument("--scoreboard", type=Path, default=Path("scoreboard"), help="its folder")


def _add_budget(parser: argparse.ArgumentParser) -> None:
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--steps", type=int, help="train for so many steps: reproducible to the bit")
    budget.add_argument("--minutes", type=float, help="train for so long: not reproducible to the bit")


def _add_network(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--size", default=TrainingConfig.size, help=f"of the network: {', '.join(SIZES)} or WIDTHxDEPTH")
    add("--branches", action=argparse.BooleanOptionalAction, default=TrainingConfig.branches, help="beside each 3x3")
    add("--init-from", help="start from the weights of this artifact")


def _add_optimisation(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--share", type=float, default=TrainingConfig.share, help="of the training pictures, 0 to 1")
    add("--batch", type=int, default=TrainingConfig.batch, help="crops a step")
    add("--crop", type=int, default=TrainingConfig.crop, help="pixels a side of the small crop, 128 at most")
    add("--jpeg", action="store_true", help="degrade LR tiles with JPEG, at qualities from 50 to 97")
    add("--learning-rate", type=float, default=TrainingConfig.learning_rate, help="at its peak")
    add("--weight-decay", type=float, default=TrainingConfig.weight_decay, help="of AdamW")
    add("--dropout", type=float, default=TrainingConfig.dropout, help="of channels before the last layer")
    add("--average", type=float, default=TrainingConfig.average, help="decay of the moving average of the weights")
    add("--clip", type=float, default=TrainingConfig.clip, help="largest norm of the gradient")
    add("--optimiser", choices=optimisers.NAMES, default=TrainingConfig.optimiser, help="muon: for the 3x3 kernels")
    add("--loss", choices=list(LOSSES), default=TrainingConfig.loss, help="what is made small")
    _add_machine(parser)


def _add_machine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=TrainingConfig.seed, help="of all that is drawn by lot")
    parser.add_argument("--threads", type=int, default=TrainingConfig.threads, help="one and two round differently")


def _add_engine(parser: argparse.ArgumentParser) -> None:
    engine.add_arguments(parser)
    parser.add_argument("--gpus", type=float, default=0, help="that each network asks the Ray cluster for")
