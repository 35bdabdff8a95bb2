"""Tiles decoded once, into files that the processes of a loader share: decoding is eight times the rest of a crop."""

import math
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from feature_pipeline.shards import Entry, Sample
from training_pipeline import crops, data, ranks
from training_pipeline.config import TILE
from training_pipeline.crops import TilePair
from upscaler.model.architecture import COLOURS, SCALE

MOST = 0.5  # share of the free memory, which caches the files, and of the free disk; of all processes here together
FILES = {"lr": (TILE, TILE, COLOURS), "hr": (SCALE * TILE, SCALE * TILE, COLOURS), "clean": ()}
TILE_BYTES = COLOURS * TILE**2 * (1 + SCALE**2) + 1


@dataclass(frozen=True)
class DecodedTiles:
    """Tile pairs by number, in the files of a folder, which each process maps into its memory."""

    folder: Path
    count: int

    def __getitem__(self, number: int) -> TilePair:
        lr, hr, clean = (file[number] for file in self._files)
        return TilePair(lr, hr, bool(clean))

    @cached_property
    def _files(self) -> list[NDArray[np.uint8]]:
        return [self._mapped(name, "r") for name in FILES]

    def _mapped(self, name: str, mode: str) -> NDArray[np.uint8]:
        shape = (self.count, *FILES[name])
        return np.memmap(self.folder / name, np.uint8, mode, shape=shape)  # type: ignore[call-overload, no-any-return]

    def fill(self, tiles: Sequence[Entry]) -> None:
        """Write the files. Raises FeatureError or TrainingError if a tile cannot be read."""
        for name in FILES:
            self._reserve(name)
        files = [self._mapped(name, "r+") for name in FILES]

        def keep(number: int, sample: Sample) -> None:
            for file, value in zip(files, crops.pair(sample), strict=True):
                file[number] = value

        data.load_all(tiles, keep)

    def remove(self) -> None:
        """Remove the folder; several processes may do so at a time."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _reserve(self, name: str) -> None:
        """Take the file's space on the disk. If that is full, a write to a map of less ends the process (SIGBUS)."""
        size = self.count * math.prod(FILES[name])
        with (self.folder / name).open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)  # macOS


@contextmanager
def decoded(tiles: Sequence[Entry]) -> Iterator[DecodedTiles | None]:
    """Yield the tiles decoded, while the block runs; None if they do not fit."""
    with tempfile.TemporaryDirectory() as folder:
        free = min(psutil.virtual_memory().available, shutil.disk_usage(folder).free)
        if len(tiles) * TILE_BYTES > MOST * free / ranks.local_count():
            yield None
            return
        pairs = DecodedTiles(Path(folder), len(tiles))
        pairs.fill(tiles)
        yield pairs
