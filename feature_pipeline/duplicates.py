"""Deduplication: of equal pictures, the first in the tar is kept."""

import numpy as np
from numpy.typing import NDArray

from feature_pipeline.manifest import PictureRecord

DISTANCE = 4  # bits of 64: two copies of a photo differ in 0 to 4, two photos in 12 or more


class Taken:
    """The names and perceptual hashes of all accepted pictures: 8 bytes and a name for each."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._hashes: NDArray[np.uint64] = np.zeros(1024, np.uint64)
        self._count = 0

    def repeats(self, record: PictureRecord) -> str | None:
        """Return the reason why the picture is a duplicate, or None."""
        if record.name in self._names:
            return "same name"
        differing = np.bitwise_count(self._hashes[: self._count] ^ _number(record))
        return "same picture" if (differing <= DISTANCE).any() else None

    def add(self, record: PictureRecord) -> None:
        """Add an accepted picture."""
        if self._count == len(self._hashes):
            self._hashes = np.resize(self._hashes, 2 * self._count)
        self._hashes[self._count] = _number(record)
        self._count += 1
        self._names.add(record.name)


def _number(record: PictureRecord) -> np.uint64:
    return np.uint64(int(record.perceptual_hash or "0", 16))
