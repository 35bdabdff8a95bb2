"""The command line's arguments, as the configurations they stand for."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cluster import engine
from ensemble_pipeline import testset
from ensemble_pipeline.combine import CombineConfig
from ensemble_pipeline.evaluate import EvaluationConfig
from ensemble_pipeline.publish import PublishConfig
from upscaler.command import whole
from upscaler.model import find

PARTS = [*"0123456789abcdef", "all"]


def parse(run: dict[str, Callable[[Any], object]], description: str | None) -> Callable[[], object]:
    """The command that was asked for, ready to be called. run: what each command's configuration is given to."""
    parser = argparse.ArgumentParser(prog="python -m ensemble_pipeline", description=description)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_combine(commands.add_parser("combine", help="make one model of several trained networks"))
    _add_evaluate(commands.add_parser("evaluate", help="test models against bicubic interpolation"))
    _add_final_test(commands.add_parser("final-test", help="test the chosen model where no row was scored, once"))
    _add_export(commands.add_parser("export", help="write a model's networks as ONNX, for other programs"))
    _add_publish(commands.add_parser("publish", help="put a model on the Hugging Face Hub"))
    _add_build(commands.add_parser("build", help="the whole flow, from the bucket to the ensemble"))
    given = parser.parse_args()
    return lambda: run[given.command](given.config(given))


def _add_combine(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("runs", nargs="+", type=Path, metavar="RUN", help="folders of 1 to 16 training runs")
    add("--out", type=Path, required=True, help="folder for the model")
    add("--how", choices=["outputs", "weights", "distill"], default="outputs", help="(default: %(default)s)")
    add("--mirrored", action="store_true", help="the mean over the picture and its mirror image, at twice the cost")
    add("--jpeg-model", type=Path, metavar="MODEL", help="the network for JPEG input, put inside the model")
    add("--select", action="store_true", help="take only the runs that help on --validation")
    add("--validation", type=Path, action="append", default=[], help="tile shards that no run learned from")
    add("--into", metavar="SIZE", help="distill: tiny, small, base or WIDTHxDEPTH")
    add("--shards", type=Path, action="append", default=[], help="distill: tile shards; may be given several times")
    add("--steps", type=int, help="distill: of training")
    add("--jpeg", action="store_true", help="distill: degrade LR tiles with JPEG, at qualities from 50 to 97")
    add("--init-from", metavar="MODEL", help="distill: start from the weights of this model")
    add("--learning-rate", type=float, default=1e-3, help="distill: at its peak (default: %(default)s)")
    add("--threads", type=int, default=2, help="distill: of training (default: %(default)s)")
    command.set_defaults(config=lambda given: _combine(command, given))


def _combine(command: argparse.ArgumentParser, given: argparse.Namespace) -> CombineConfig:
    if given.select and not given.validation:
        command.error("--select needs --validation, the tile shards to choose by")
    distillation = None
    if given.how == "distill":
        if not (given.into and given.shards and given.validation and given.steps):
            command.error("--how distill needs --into, --shards, --validation and --steps")
        from ensemble_pipeline.distill import Distillation  # brings torch, which takes seconds to load

        distillation = Distillation(
            given.into,
            tuple(given.shards),
            tuple(given.validation),
            given.steps,
            given.jpeg,
            given.init_from,
            given.learning_rate,
            given.threads,
        )
    select = given.validation[0] if given.select else None
    return CombineConfig(
        tuple(given.runs), given.out, given.how, select, distillation, given.mirrored, given.jpeg_model
    )


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    command.add_argument("models", nargs="+", metavar="MODEL", help=f"{find.NAMES}; more stand beside the first")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--pictures", type=Path, help="a folder of pictures")
    source.add_argument("--shards", type=Path, help="a folder of tile shards")
    command.add_argument("--out", type=Path, help="folder for the table (default: into the first model's own card)")
    command.add_argument(
        "--jpeg-quality", type=whole(1, 100), metavar="QUALITY", help="compress each LR picture first, 1 to 100"
    )
    command.set_defaults(config=_evaluate)


def _evaluate(given: argparse.Namespace) -> EvaluationConfig:
    kind: testset.Kind = "pictures" if given.pictures else "shards"
    return EvaluationConfig(tuple(given.models), given.pictures or given.shards, kind, given.out, given.jpeg_quality)


def _add_final_test(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=find.NAMES)
    command.add_argument("--test", type=Path, required=True, help="tile shards of the test set")
    command.add_argument("--scoreboard", type=Path, default=Path("scoreboard"), help="(default: %(default)s)")
    command.set_defaults(config=lambda given: {name: getattr(given, name) for name in ("model", "test", "scoreboard")})


def _add_export(command: argparse.ArgumentParser) -> None:
    command.add_argument("model", help=find.NAMES)
    command.add_argument("out", type=Path, help="the file to write; a JPEG network is written beside it")
    command.set_defaults(config=lambda given: (given.model, given.out))


def _add_publish(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("model", help=find.NAMES)
    add("--repo", required=True, metavar="USER/NAME", help="made if need be")
    add("--private", action="store_true", help="the repository is private")
    add("--revision", metavar="BRANCH", help="(default: main)")
    add("--dry-run", action="store_true", help="only show the files and the card")
    command.set_defaults(
        config=lambda given: PublishConfig(given.model, given.repo, given.private, given.revision, given.dry_run)
    )


def _add_build(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--parts", nargs="+", required=True, choices=PARTS, metavar="PART", help="0 to 9, a to f, or all")
    add("--out", type=Path, default=Path("ensembles/built"), help="folder for the model (default: %(default)s)")
    add("--how", choices=["outputs", "weights"], default="outputs", help="(default: %(default)s)")
    add("--images", type=int, help="take only the first IMAGES pictures of each part")
    add("--tiles-per-image", type=int, default=4, help="at most (default: %(default)s)")
    add("--metadata", action="append", default=[], help="the Open Images list of pictures, a file or an address")
    add("--workers", type=int, default=1, help="processes for the tiles of a part (default: %(default)s)")
    add("--endpoint-url", help="an S3 server that holds a copy of the bucket")
    add("--size", default="small", help="of the networks: tiny, small, base or WIDTHxDEPTH (default: %(default)s)")
    add("--steps", type=int, required=True, help="of training, of each network")
    add("--init-from", metavar="MODEL", help="start all networks from the weights of this model")
    add("--learning-rate", type=float, default=1e-3, help="at its peak (default: %(default)s)")
    add(
        "--branches", action=argparse.BooleanOptionalAction, default=True, help="beside each 3x3 (default: %(default)s)"
    )
    add("--threads", type=int, default=2, help="of each training run (default: %(default)s)")
    add("--gpus", type=float, default=0, help="that each run asks the Ray cluster for (default: %(default)s)")
    add("--allow-missing", action="store_true", help="build the ensemble without the parts that failed")
    engine.add_arguments(command)
    command.set_defaults(config=_build)


def _build(given: argparse.Namespace) -> object:
    # These bring torch and boto3, which take seconds to load and which the other commands do without
    from ensemble_pipeline import build
    from feature_pipeline import pipeline, source
    from training_pipeline.config import TrainingConfig

    where = engine.from_arguments(vars(given))
    features = pipeline.FeatureConfig(
        source.part_names(PARTS[:-1] if "all" in given.parts else given.parts),
        build.SHARDS,
        given.endpoint_url,
        given.images,
        given.tiles_per_image,
        metadata=tuple(given.metadata),
        workers=given.workers,
    )
    first = TrainingConfig(
        (),
        (build.SHARDS / build.VALIDATION,),
        build.RUNS,
        given.size,
        given.steps,
        init_from=given.init_from,
        learning_rate=given.learning_rate,
        branches=given.branches,
        threads=given.threads,
    )
    return build.BuildConfig(features, first, given.out, given.how, where, given.gpus, given.allow_missing)
