"""Index of the tiles of many shards: 45 bytes a picture, whatever the number of its tiles."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from feature_pipeline import shards
from feature_pipeline.duplicates import Hashes, Mask
from feature_pipeline.shards import Entry, SampleSpans, ShardRecord
from upscaler.model import learned

CACHED = 32  # records in memory: 13 MB, at 400 tiles each
SHOW_AFTER = 3  # seconds

# A row: hash of the id, perceptual hashes of the picture and its mirror image and whether they are known, the number
# of its shard, and the place of its first tile among the shard's
PICTURE = np.dtype(
    [
        *((name, np.uint64) for name in ("id", "own", "mirrored")),
        *((name, np.uint32) for name in ("shard", "first", "tiles")),
        ("known", np.bool_),
    ]
)

Table = NDArray[np.void]


@dataclass(frozen=True, eq=False)
class TileIndex(Sequence[Entry]):
    """The tiles of some pictures of several shards, in order. A record is read again when a tile of it is asked for.

    sha256: recorded hashes of the shards. table: a row for each picture.
    """

    tars: tuple[Path, ...]
    sha256: tuple[str, ...]
    table: Table

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self.table) else 0

    @overload
    def __getitem__(self, number: int) -> Entry: ...
    @overload
    def __getitem__(self, number: slice) -> list[Entry]: ...
    def __getitem__(self, number: int | slice) -> Entry | list[Entry]:
        if isinstance(number, slice):
            return [self[n] for n in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        row = int(np.searchsorted(self._ends, number, "right"))
        shard, first, tiles = (int(self.table[name][row]) for name in ("shard", "first", "tiles"))
        return Entry(self.tars[shard], self._samples(shard)[first + number - (int(self._ends[row]) - tiles)])

    def __reduce__(self) -> tuple[Any, ...]:
        return TileIndex, (self.tars, self.sha256, self.table)  # without the cached records

    def only(self, pictures: Mask) -> "TileIndex":
        """Return the tiles of the pictures (rows of the table) for which the mask is True."""
        return replace(self, table=self.table[pictures])

    def sizes(self) -> NDArray[np.int64]:
        """Return the number of tiles in each shard."""
        return np.bincount(self.table["shard"], self.table["tiles"], len(self.tars)).astype(np.int64)

    @property
    def ids(self) -> Hashes:
        """Hashes of the pictures' ids, sorted and without repetitions."""
        return np.unique(self.table["id"])

    @property
    def perceptual(self) -> Hashes:
        """Perceptual hashes that are recorded, without those of mirror images, sorted and without repetitions."""
        return np.unique(self.table["own"][self.table["known"]])

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        """Number of tiles up to each picture."""
        return self.table["tiles"].cumsum(dtype=np.int64)

    @cached_property
    def _samples(self) -> Callable[[int], tuple[SampleSpans, ...]]:
        return lru_cache(CACHED)(lambda shard: shards.read_record(shards.record_path(self.tars[shard])).samples)


def of(folders: Iterable[Path]) -> TileIndex:
    """Index all tiles of the folders, without opening a tar. Raises FeatureError if one has no shards."""
    tars = tuple(tar for folder in folders for tar in shards.tars(folder))
    hashes, tables = list[str](), list[Table]()
    for shard, tar in enumerate(tqdm(tars, desc="reading records", unit="shard", leave=False, delay=SHOW_AFTER)):
        record = shards.read_record(shards.record_path(tar))
        hashes.append(record.sha256)
        tables.append(_rows(shard, record))
    return TileIndex(tars, tuple(hashes), np.concatenate([np.empty(0, PICTURE), *tables]))


def digest(indexes: Iterable[TileIndex]) -> str:
    """Return the SHA-256 of the recorded hashes of all shards, in order."""
    return hashlib.sha256("".join(one for index in indexes for one in index.sha256).encode()).hexdigest()


def _rows(shard: int, record: ShardRecord) -> Table:
    pictures = [
        (image_id, len(list(tiles))) for image_id, tiles in groupby(record.samples, lambda spans: spans.image_id)
    ]
    looks = record.looks()
    own = [looks.get(image_id) or () for image_id, _ in pictures]
    rows = np.zeros(len(pictures), PICTURE)
    rows["id"] = learned.hashed(image_id for image_id, _ in pictures)
    rows["known"] = [bool(one) for one in own]
    rows["own"] = [one[0] if one else 0 for one in own]
    rows["mirrored"] = [one[-1] if one else 0 for one in own]  # an older record has no hash of the mirror image
    rows["shard"], rows["tiles"] = shard, [tiles for _, tiles in pictures]
    rows["first"] = rows["tiles"].cumsum() - rows["tiles"]
    return rows
