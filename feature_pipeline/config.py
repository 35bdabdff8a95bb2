"""Options of the feature pipeline."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cluster.engine import Engine
from upscaler.errors import OptionError
from upscaler.options import check_limits, option, part

TRAINING_DIGITS = "0123456789abcdef"
MOST_WORKERS = 1024
SHEETS = (".png", ".jpg", ".webp")  # suffixes of a contact sheet
PART_NAMES = (*TRAINING_DIGITS, "validation", "test", "all")


def part_names(given: Sequence[str]) -> tuple[str, ...]:
    """Return the names of parts as the bucket has them: `0` is train_0, `all` is all 18 parts."""
    every = PART_NAMES[:-1]
    chosen = every if "all" in given else dict.fromkeys(given)
    return tuple(f"train_{part}" if part in TRAINING_DIGITS else part for part in chosen)


@dataclass(frozen=True)
class FeatureConfig:
    """Parts of Open Images, and the tiles to make of them. Raises OptionError if an option is outside its limits.

    `parts`: as the bucket names them, such as train_0. `metadata`: files or addresses of Open Images' lists.
    """

    parts: tuple[str, ...] = option(
        "parts: 0 to 9, a to f, validation, test, or all",
        flags=("--part", "--parts"),
        listed=True,
        choices=PART_NAMES,
        metavar="PART",
        read=part_names,
    )
    out: Path = option("folder for the shards, with one folder for each part")
    endpoint_url: str | None = option("an S3 server that holds a copy of the bucket", default=None, metavar="URL")
    images: int | None = option("only the first IMAGES pictures of each part", default=None, least=1)
    tiles_per_image: int = option("most tiles per picture", default=4, least=1, metavar="TILES")
    augment: bool = option("make the tiles of the augmented pipeline", default=False)
    metadata: tuple[str, ...] = option(
        "Open Images' list of pictures, a CSV file or its address, for licences and authors; "
        "may be given several times",
        default=(),
        metavar="LIST",
    )
    unlisted: Literal["keep", "drop"] = option("pictures that the list lacks", default="keep", needs={"metadata": True})
    workers: int = option("worker processes", default=1, least=1, most=MOST_WORKERS)
    pictures_per_shard: int = 100

    def __post_init__(self) -> None:
        check_limits(self)


@dataclass(frozen=True)
class MakeConfig:
    """Shards to make, and where the work is done."""

    features: FeatureConfig = part(workers=os.cpu_count() or 1)
    engine: Engine = part("name", "address", "storage", title="where, see docs/scaling.md")


@dataclass(frozen=True)
class VerifyConfig:
    """Shards to check."""

    folder: Path = option("the --out of the shards, or the folder of one part", positional=True)


@dataclass(frozen=True)
class ShowConfig:
    """A part to draw."""

    folder: Path = option("the folder of one part", positional=True)
    out: Path = option("the picture to write, such as sheet.png")

    def __post_init__(self) -> None:
        if self.out.suffix.lower() not in SHEETS:
            raise OptionError(f"--out must end in {' or '.join(SHEETS)}, got {self.out}")
