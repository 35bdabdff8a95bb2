"""Totals over a part's shards, as stated in the manifest and recomputed by `verify`."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from feature_pipeline.manifest import PictureRecord, ShardSummary
from feature_pipeline.shards import ShardRecord


@dataclass
class Tally:
    """Totals over shards, one of which is in memory at a time. The fields have the names of the manifest's."""

    pictures: int = 0
    pictures_taken: int = 0
    tiles: int = 0
    unlisted: int = 0
    picture_bytes: int = 0
    shard_bytes: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    shards: list[ShardSummary] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[ShardRecord]) -> "Tally":
        """Add up the records of a part."""
        tally = cls()
        for record in records:
            tally.shards.append(ShardSummary(file=record.file, samples=len(record.samples), sha256=record.sha256))
            tally.shard_bytes += record.bytes
            for picture in record.pictures:
                tally._add(picture)
        return tally

    def fields(self) -> dict[str, Any]:
        """Return the totals by name, with reasons in alphabetical order."""
        ordered = {"skipped": dict(sorted(self.skipped.items())), "rejected": dict(sorted(self.rejected.items()))}
        return vars(self) | ordered | {"shards": tuple(self.shards)}

    def _add(self, picture: PictureRecord) -> None:
        self.pictures += 1
        self.pictures_taken += picture.skipped is None
        self.tiles += picture.tiles
        self.unlisted += picture.unlisted
        self.picture_bytes += picture.bytes
        self.rejected.update(picture.rejected)
        if picture.skipped:
            self.skipped[picture.skipped] += 1
