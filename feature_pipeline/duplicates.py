"""Near-duplicates by perceptual hash: within a part, and between the parts of a run; mirrored ones too."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from feature_pipeline.manifest import PictureRecord

DISTANCE = 4  # bits of 64: two copies of a photo differ in 0 to 4, two photos in 12 or more
# The hash has the signs of 8x8 cosine coefficients, row by row. Mirroring a picture negates those of the odd columns,
# but the median that they are compared with moves: of 349 photos, 343 differ in 0 to 8 bits from this prediction, and
# no two photos in fewer than 14.
ODD_COLUMNS = np.uint64(0x5555_5555_5555_5555)
MIRRORED_DISTANCE = 8

Hashes = NDArray[np.uint64]
Pictures = Mapping[str, int | None]  # ids, with perceptual hashes; None if it is not recorded


class Taken:
    """The names and perceptual hashes of all accepted pictures: 8 bytes and a name for each."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._hashes: Hashes = np.zeros(1024, np.uint64)
        self._count = 0

    def repeats(self, record: PictureRecord) -> str | None:
        """Return the reason why the picture is a duplicate, or None."""
        if record.name in self._names:
            return "same name"
        return "same picture" if _alike(_number(record), self._hashes[: self._count]).any() else None

    def add(self, record: PictureRecord) -> None:
        """Add an accepted picture."""
        if self._count == len(self._hashes):
            self._hashes = np.resize(self._hashes, 2 * self._count)
        self._hashes[self._count] = _number(record)
        self._count += 1
        self._names.add(record.name)


def alike(pictures: Pictures, hashes: Hashes) -> list[str]:
    """Return the ids of the pictures that look like one with these hashes, or like its mirror image."""
    known = ((identity, value) for identity, value in pictures.items() if value is not None)
    return [identity for identity, value in known if _alike(np.uint64(value), hashes).any()]


def groups(pictures: Pictures) -> dict[str, str]:
    """Return a picture of its group for each: pictures that look alike, through any number of others, are one group."""
    parents = {identity: identity for identity in pictures}

    def root(identity: str) -> str:
        while parents[identity] != identity:
            identity = parents[identity]
        return identity

    for one, other in _pairs(pictures):
        parents[root(other)] = root(one)
    return {identity: root(identity) for identity in pictures}


def numbers(pictures: Pictures) -> Hashes:
    """Return the perceptual hashes that are recorded."""
    return np.array([value for value in pictures.values() if value is not None], np.uint64)


def _pairs(pictures: Pictures) -> Iterator[tuple[str, str]]:
    ids, hashes = [identity for identity, value in pictures.items() if value is not None], numbers(pictures)
    for place, identity in enumerate(ids):
        for found in np.flatnonzero(_alike(hashes[place], hashes[:place])):
            yield ids[found], identity


def _alike(one: np.uint64, hashes: Hashes) -> NDArray[np.bool_]:
    differing = hashes ^ one
    copied: NDArray[np.bool_] = np.bitwise_count(differing) <= DISTANCE
    copied |= np.bitwise_count(differing ^ ODD_COLUMNS) <= MIRRORED_DISTANCE
    return copied


def _number(record: PictureRecord) -> np.uint64:
    return np.uint64(int(record.perceptual_hash or "0", 16))
