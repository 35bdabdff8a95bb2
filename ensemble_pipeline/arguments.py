"""The command line's arguments, as the configurations they stand for."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ensemble_pipeline import combine, evaluate, publish, testset

MODEL = "'bundled', a model's folder, or user/name[@revision] on the Hub"


def parse(run: dict[str, Callable[[Any], object]], description: str | None) -> Callable[[], object]:
    """The command that was asked for, ready to be called. run: what each command's configuration is given to."""
    parser = argparse.ArgumentParser(prog="python -m ensemble_pipeline", description=description)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_combine(commands.add_parser("combine", help="make one model of several trained networks"))
    _add_evaluate(commands.add_parser("evaluate", help="test models against bicubic interpolation"))
    _add_final_test(commands.add_parser("final-test", help="test the chosen model where no row was scored, once"))
    _add_publish(commands.add_parser("publish", help="put a model on the Hugging Face Hub"))
    given = parser.parse_args()
    return lambda: run[given.command](given.config(given))


def _add_combine(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="folders of 1 to 16 training runs")
    add("--out", type=Path, required=True, help="folder for the model")
    add("--how", choices=["outputs", "weights", "distill"], default="outputs", help="(default: %(default)s)")
    add("--select", action="store_true", help="take only the runs that help on --validation")
    add("--validation", type=Path, action="append", default=[], help="tile shards that no run learned from")
    add("--into", metavar="SIZE", help="distill: tiny, small, base or WIDTHxDEPTH")
    add("--shards", type=Path, action="append", default=[], help="distill: tile shards; may be given several times")
    add("--steps", type=int, help="distill: of training")
    add("--init-from", metavar="MODEL", help="distill: start from the weights of this model")
    add("--learning-rate", type=float, default=1e-3, help="distill: at its peak (default: %(default)s)")
    add("--threads", type=int, default=2, help="distill: of training (default: %(default)s)")
    command.set_defaults(config=lambda given: _combine(command, given))


def _combine(command: argparse.ArgumentParser, given: argparse.Namespace) -> combine.Config:
    if given.select and not given.validation:
        command.error("--select needs --validation, the tile shards to choose by")
    distillation = None
    if given.how == "distill":
        if not (given.into and given.shards and given.validation and given.steps):
            command.error("--how distill needs --into, --shards, --validation and --steps")
        distillation = combine.Distillation(
            given.into,
            tuple(given.shards),
            tuple(given.validation),
            given.steps,
            given.init_from,
            given.learning_rate,
            given.threads,
        )
    select = given.validation[0] if given.select else None
    return combine.Config(tuple(given.runs), given.out, given.how, select, distillation)


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    command.add_argument("models", nargs="+", metavar="MODEL", help=f"{MODEL}; more stand beside the first")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--pictures", type=Path, help="a folder of pictures")
    source.add_argument("--shards", type=Path, help="a folder of tile shards")
    command.add_argument("--out", type=Path, help="folder for the table (default: into the first model's own card)")
    command.set_defaults(config=_evaluate)


def _evaluate(given: argparse.Namespace) -> evaluate.Config:
    kind: testset.Kind = "pictures" if given.pictures else "shards"
    return evaluate.Config(tuple(given.models), given.pictures or given.shards, kind, given.out)


def _add_final_test(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=MODEL)
    command.add_argument("--test", type=Path, required=True, help="tile shards of the test set")
    command.add_argument("--scoreboard", type=Path, default=Path("scoreboard"), help="(default: %(default)s)")
    command.set_defaults(config=lambda given: {name: getattr(given, name) for name in ("model", "test", "scoreboard")})


def _add_publish(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("model", help=MODEL)
    add("--repo", required=True, metavar="USER/NAME", help="made if need be")
    add("--private", action="store_true", help="the repository is private")
    add("--revision", metavar="BRANCH", help="(default: main)")
    add("--dry-run", action="store_true", help="only show the files and the card")
    command.set_defaults(
        config=lambda given: publish.Config(given.model, given.repo, given.private, given.revision, given.dry_run)
    )
