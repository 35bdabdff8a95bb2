"""Pictures to test on: small ones to be doubled, and what should come out."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from upscaler import bicubic
from upscaler.errors import EnsembleError
from upscaler.pixels import Pixels

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class Pair:
    """A picture of the test set: HWC uint8 RGB `small`, and `large`, twice as wide and high."""

    name: str
    small: Pixels
    large: Pixels


def read(folder: Path, kind: Literal["pictures", "shards"]) -> Iterator[Pair]:
    """Read a test set, sorted by name. Raises EnsembleError if it is empty."""
    return _read_pictures(folder) if kind == "pictures" else _read_tiles(folder)


def _read_pictures(folder: Path) -> Iterator[Pair]:
    """Read each picture of a folder, cropped to even sides, and halve it. Raises EnsembleError if there is none."""
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise EnsembleError(f"{folder} holds no pictures to test on; give a folder of PNG, JPEG, TIFF or WebP files")
    for path in paths:
        yield _halved(path)


def _read_tiles(folder: Path) -> Iterator[Pair]:
    """Read each tile of a folder of shards."""
    from feature_pipeline import shards

    for sample in shards.read(folder):
        yield Pair(sample.key, sample.small, sample.large)


def _halved(path: Path) -> Pair:
    try:
        picture = np.asarray(Image.open(path).convert("RGB"))
    except (OSError, SyntaxError) as error:
        raise EnsembleError(f"{path} cannot be read as a picture; take it out of the test set") from error
    height, width = picture.shape[:2]
    large = picture[: height // 2 * 2, : width // 2 * 2]
    return Pair(path.stem, bicubic.halve(large), large)
