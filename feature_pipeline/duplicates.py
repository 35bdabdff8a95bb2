"""Near-duplicates by perceptual hash: within a part, and between the parts of a run; mirrored ones too."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from feature_pipeline.manifest import PictureRecord

DISTANCE = 4  # bits of 64: two copies of a photo differ in 0 to 4; among 1,424 photos, two differ in 6 or more

Hashes = NDArray[np.uint64]
Looks = tuple[int, ...]  # perceptual hashes of a picture and of its mirror image, as far as they are recorded
Pictures = Mapping[str, Looks]  # by id


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
        return "same picture" if _alike(looks(record), self._hashes[: self._count]).any() else None

    def add(self, record: PictureRecord) -> None:
        """Add an accepted picture."""
        if self._count == len(self._hashes):
            self._hashes = np.resize(self._hashes, 2 * self._count)
        self._hashes[self._count] = looks(record)[0]
        self._count += 1
        self._names.add(record.name)


def looks(record: PictureRecord) -> Looks:
    """Return the perceptual hashes in a record."""
    return tuple(int(value, 16) for value in (record.perceptual_hash, record.mirrored_hash) if value)


def alike(pictures: Pictures, hashes: Hashes) -> list[str]:
    """Return the ids of the pictures that look like one with these hashes, or like its mirror image."""
    return [identity for identity, own in pictures.items() if _alike(own, hashes).any()]


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
    """Return the recorded perceptual hashes, without those of mirror images."""
    return np.array([own[0] for own in pictures.values() if own], np.uint64)


def _pairs(pictures: Pictures) -> Iterator[tuple[str, str]]:
    ids, hashes = [identity for identity, own in pictures.items() if own], numbers(pictures)
    for place, identity in enumerate(ids):
        for found in np.flatnonzero(_alike(pictures[identity], hashes[:place])):
            yield ids[found], identity


def _alike(own: Looks, hashes: Hashes) -> NDArray[np.bool_]:
    """Return True for each hash of a copy of the picture, or of its mirror image."""
    near = np.zeros(len(hashes), np.bool_)
    for value in own:
        near |= np.bitwise_count(hashes ^ np.uint64(value)) <= DISTANCE
    return near
