"""Record of the pictures that a model learned from: learned.json in its artifact.

It holds 64-bit hashes of picture ids: those of all of Open Images take 19 MB.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Base64UrlBytes, BaseModel, ConfigDict

from upscaler import json_files

MAX_BYTES = 64 << 20  # of the file

Hashes = NDArray[np.uint64]

_STORED = np.dtype("<u8")


@dataclass(frozen=True)
class Learned:
    """Pictures that a model learned from, itself or through a warm start, a teacher or members.

    trained: hashes of those in its training data. selected: hashes of those on which a checkpoint or members were
    selected. complete: False if a network in the chain has no record.
    """

    trained: Hashes
    selected: Hashes
    complete: bool = True

    @classmethod
    def of(cls, trained: Iterable[str], selected: Iterable[str] = ()) -> "Learned":
        """Return the record for the ids of training pictures and of pictures for selection."""
        return cls(_hashes(trained), _hashes(selected))

    def __or__(self, other: "Learned") -> "Learned":
        return Learned(
            np.union1d(self.trained, other.trained),
            np.union1d(self.selected, other.selected),
            self.complete and other.complete,
        )

    def was_trained_on(self, ids: Iterable[str]) -> list[str]:
        """Return the ids of pictures in the training data."""
        return _found(self.trained, ids)

    def was_selected_on(self, ids: Iterable[str]) -> list[str]:
        """Return the ids of pictures on which a checkpoint or members were selected."""
        return _found(self.selected, ids)

    def encoded(self) -> str:
        """Return the content of the file."""
        trained, selected = (array.astype(_STORED).tobytes() for array in (self.trained, self.selected))
        return (
            _File.model_construct(complete=self.complete, trained=trained, selected=selected).model_dump_json() + "\n"
        )


UNKNOWN = Learned(np.empty(0, np.uint64), np.empty(0, np.uint64), complete=False)


def read(path: Path) -> Learned:
    """Read a record. Raises OSError, and JsonError if it is no record."""
    file = json_files.load(path, _File, MAX_BYTES)
    if len(file.trained) % _STORED.itemsize or len(file.selected) % _STORED.itemsize:
        raise json_files.JsonError("the hashes do not have 64 bits each")
    trained, selected = (np.frombuffer(content, _STORED).astype(np.uint64) for content in (file.trained, file.selected))
    return Learned(trained, selected, file.complete)


class _File(BaseModel):
    """Content of the file; each hash has 8 bytes, the least significant first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    complete: bool
    trained: Base64UrlBytes
    selected: Base64UrlBytes


def _hashes(ids: Iterable[str]) -> Hashes:
    """Return the first 64 bits of the SHA-256 of each id, sorted and without repetitions."""
    digests = b"".join(map(_digest, ids))
    return np.unique(np.frombuffer(digests, _STORED).astype(np.uint64))


def _digest(identity: str) -> bytes:
    return hashlib.sha256(identity.encode()).digest()[: _STORED.itemsize]


def _found(among: Hashes, ids: Iterable[str]) -> list[str]:
    known = sorted(set(ids))
    numbers = np.frombuffer(b"".join(map(_digest, known)), _STORED).astype(np.uint64)
    return [identity for identity, is_in in zip(known, np.isin(numbers, among), strict=True) if is_in]
