"""The command line of the feature pipeline."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from cluster import engine
from cluster.engine import Engine
from feature_pipeline import source
from feature_pipeline.pipeline import FeatureConfig


@dataclass(frozen=True)
class VerifyConfig:
    """Which shards to check: a folder of parts, or one part."""

    folder: Path


@dataclass(frozen=True)
class ShowConfig:
    """Of which part to make a contact sheet, and where to."""

    folder: Path
    out: Path


def parse(arguments: list[str]) -> tuple[FeatureConfig, Engine] | VerifyConfig | ShowConfig:
    """Read the command line; without `verify` or `show` it asks for shards."""
    if arguments[:1] == ["verify"]:
        return _verify(arguments[1:])
    if arguments[:1] == ["show"]:
        return _show(arguments[1:])
    return _make(arguments)


def _verify(arguments: list[str]) -> VerifyConfig:
    parser = argparse.ArgumentParser(
        prog="python -m feature_pipeline verify", description="Check shards against their manifests."
    )
    parser.add_argument("folder", type=Path, help="what was given as --out, or one part's folder in it")
    return VerifyConfig(parser.parse_args(arguments).folder)


def _show(arguments: list[str]) -> ShowConfig:
    parser = argparse.ArgumentParser(
        prog="python -m feature_pipeline show",
        description="Draw tile pairs of a part, and how many tiles and pictures were turned down.",
    )
    parser.add_argument("folder", type=Path, help="one part's folder")
    parser.add_argument("--out", type=Path, required=True, help="the picture to write, such as sheet.png")
    given = parser.parse_args(arguments)
    return ShowConfig(given.folder, given.out)


def _make(arguments: list[str]) -> tuple[FeatureConfig, Engine]:
    parser = argparse.ArgumentParser(
        prog="python -m feature_pipeline",
        description="Make tile shards of Open Images.",
        epilog="Two more commands: `verify FOLDER` checks shards, `show FOLDER --out sheet.png` draws some.",
    )
    parser.add_argument(
        "--part",
        action="append",
        required=True,
        choices=[*source.TRAINING_DIGITS, "validation", "test", "all"],
        metavar="PART",
        help="0 to 9, a to f, validation, test, or all; may be given several times",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the shards, one folder in it for each part")
    parser.add_argument("--images", type=_positive, help="take only the first IMAGES pictures of each part")
    parser.add_argument("--tiles-per-image", type=_positive, default=4, help="at most (default: %(default)s)")
    parser.add_argument("--augment", action="store_true", help="make the augmented pipeline's tiles")
    parser.add_argument(
        "--metadata",
        action="append",
        default=[],
        help="the Open Images list of pictures, a CSV file or its address, for licences and authors; may be repeated",
    )
    parser.add_argument(
        "--unlisted", choices=["keep", "drop"], default="keep", help="pictures that the list lacks (default: keep)"
    )
    parser.add_argument(
        "--workers", type=_positive, default=os.cpu_count() or 1, help="processes (default: the cores, %(default)s)"
    )
    parser.add_argument("--endpoint-url", help="an S3 server that holds a copy of the bucket")
    engine.add_arguments(parser)
    given = vars(parser.parse_args(arguments))
    parts, metadata = source.part_names(given.pop("part")), tuple(given.pop("metadata"))
    where = engine.from_arguments(given)
    return FeatureConfig(parts=parts, metadata=metadata, **given), where


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)
