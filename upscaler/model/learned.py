"""Record of the pictures that a model learned from: learned.json in its artifact.

It holds 64-bit hashes of picture ids and perceptual hashes: those of all of Open Images take 37 MB.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Base64UrlBytes, BaseModel, ConfigDict

from upscaler import json_files

MAX_BYTES = 64 << 20  # of the file

Hashes = NDArray[np.uint64]

_STORED = np.dtype("<u8")
_ARRAYS = ("trained", "selected", "perceptual")


@dataclass(frozen=True)
class Learned:
    """Pictures that a model learned from, itself or through a warm start, a teacher or members.

    trained: hashes of those in its training data. selected: hashes of those on which a checkpoint or members were
    selected. complete: False if a network in the chain has no record. perceptual: perceptual hashes of the training
    pictures, as far as they are known.
    """

    trained: Hashes
    selected: Hashes
    complete: bool = True
    perceptual: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))

    @classmethod
    def of(cls, trained: Mapping[str, tuple[int, ...]], selected: Iterable[str] = ()) -> "Learned":
        """Return the record for training pictures and the ids of pictures for selection.

        trained: by id, the picture's perceptual hash, which that of its mirror image may follow, or nothing.
        """
        known = [hashes[0] for hashes in trained.values() if hashes]
        of_trained, of_selected = (np.unique(hashed(ids)) for ids in (trained, selected))
        return cls(of_trained, of_selected, perceptual=np.unique(np.array(known, np.uint64)))

    def __or__(self, other: "Learned") -> "Learned":
        return Learned(
            np.union1d(self.trained, other.trained),
            np.union1d(self.selected, other.selected),
            self.complete and other.complete,
            np.union1d(self.perceptual, other.perceptual),
        )

    def was_trained_on(self, ids: Iterable[str]) -> list[str]:
        """Return the ids of pictures in the training data."""
        return _found(self.trained, ids)

    def was_selected_on(self, ids: Iterable[str]) -> list[str]:
        """Return the ids of pictures on which a checkpoint or members were selected."""
        return _found(self.selected, ids)

    def encoded(self) -> str:
        """Return the content of the file."""
        arrays = {name: getattr(self, name).astype(_STORED).tobytes() for name in _ARRAYS}
        return _File.model_construct(complete=self.complete, **arrays).model_dump_json() + "\n"


UNKNOWN = Learned(np.empty(0, np.uint64), np.empty(0, np.uint64), complete=False)


def read(path: Path) -> Learned:
    """Read a record. Raises OSError, and JsonError if it is no record."""
    file = json_files.load(path, _File, MAX_BYTES)
    contents: dict[str, bytes] = {name: getattr(file, name) for name in _ARRAYS}
    if any(len(content) % _STORED.itemsize for content in contents.values()):
        raise json_files.JsonError("the hashes do not have 64 bits each")
    arrays = {name: np.frombuffer(content, _STORED).astype(np.uint64) for name, content in contents.items()}
    return Learned(complete=file.complete, **arrays)


class _File(BaseModel):
    """Content of the file; each hash has 8 bytes, the least significant first."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    complete: bool
    trained: Base64UrlBytes
    selected: Base64UrlBytes
    perceptual: Base64UrlBytes


def hashed(ids: Iterable[str]) -> Hashes:
    """Return the first 64 bits of the SHA-256 of each id, in order; its first byte is the least significant one."""
    digests = (hashlib.sha256(identity.encode()).digest()[: _STORED.itemsize] for identity in ids)
    return np.frombuffer(b"".join(digests), _STORED).astype(np.uint64)


def _found(among: Hashes, ids: Iterable[str]) -> list[str]:
    known = sorted(set(ids))
    return [identity for identity, is_in in zip(known, np.isin(hashed(known), among), strict=True) if is_in]
