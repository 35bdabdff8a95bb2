"""python -m ensemble_pipeline combine | evaluate"""

import argparse
from pathlib import Path

from ensemble_pipeline import combine, evaluate
from upscaler.command import one_sentence_errors


def main() -> None:
    arguments = parser().parse_args()
    with one_sentence_errors():
        arguments.run(arguments)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m ensemble_pipeline", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("combine", help="make one model of several trained networks")
    command.add_argument("runs", nargs="+", type=Path, help="folders of 1 to 16 training runs")
    command.add_argument("--out", type=Path, required=True, help="folder for the model")
    command.add_argument("--how", choices=["outputs", "weights"], default="outputs", help="what is averaged")
    command.set_defaults(run=_combine)

    command = commands.add_parser("evaluate", help="test a model against bicubic interpolation")
    command.add_argument("model", help="'bundled', a model's folder, or user/name[@revision] on the Hub")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument("--pictures", type=Path, help="a folder of pictures")
    source.add_argument("--shards", type=Path, help="a folder of tile shards")
    command.add_argument("--out", type=Path, help="folder for evaluation.md and evaluation.json")
    command.set_defaults(run=_evaluate)
    return top


def _combine(arguments: argparse.Namespace) -> None:
    combine.run(combine.Config(tuple(arguments.runs), arguments.out, arguments.how))


def _evaluate(arguments: argparse.Namespace) -> None:
    folder = arguments.pictures or arguments.shards
    evaluate.run(
        evaluate.Config(arguments.model, folder, "pictures" if arguments.pictures else "shards", arguments.out)
    )


if __name__ == "__main__":
    main()
