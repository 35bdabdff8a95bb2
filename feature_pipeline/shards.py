"""Tile shards, written and read: plain tar files in WebDataset layout.

A sample is `<key>.hr.png` 256x256, `<key>.json` and `<key>.lr.png` 128x128. Beside each tar stands its record, a JSON
file that is written last: a shard is done when its record exists. A folder of shards holds one part of Open Images.
"""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, NonNegativeInt

from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import CONFIG, MANIFEST, FileName, Manifest, PictureRecord, SampleInfo, Settings
from upscaler import json_files
from upscaler.atomic import atomic_path, write_text
from upscaler.json_files import JsonError
from upscaler.model.artifact import sha256
from upscaler.pixels import Pixels

__all__ = ["Entry", "Sample", "index", "load", "read", "read_manifest"]

# Of what others made; ours are far smaller
MAX_FILE_BYTES = 16 << 20  # of a sample's file
MAX_TILE_PIXELS = 1 << 20
MAX_JSON_BYTES = 256 << 20  # of a record or a manifest; a picture takes 1 kB

LARGE, INFO, SMALL = "hr.png", "json", "lr.png"  # in the order in which they stand in the tar

Model = TypeVar("Model", bound=BaseModel)
Span = tuple[NonNegativeInt, NonNegativeInt]  # where a tar member's content begins, and how long it is, in bytes


@dataclass(frozen=True)
class Sample:
    """A tile pair: `small` 128x128x3 and `large` 256x256x3, both uint8 sRGB."""

    key: str
    small: Pixels
    large: Pixels
    info: SampleInfo


@dataclass(frozen=True)
class EncodedSample:
    """A tile pair as it lies in the shard."""

    key: str
    small: bytes
    large: bytes
    info: SampleInfo


class SampleSpans(BaseModel):
    """Where a sample's three files lie in its tar."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    large: Span
    info: Span
    small: Span


class ShardRecord(BaseModel):
    """What stands beside a tar: its hash, where its samples lie, and each picture that was looked at for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: FileName
    bytes: NonNegativeInt
    sha256: str
    samples: tuple[SampleSpans, ...]
    pictures: tuple[PictureRecord, ...]


@dataclass(frozen=True)
class Entry:
    """A sample's place on the disk."""

    tar: Path
    spans: SampleSpans

    @property
    def key(self) -> str:
        """The sample's name: image id and number of the tile."""
        return self.spans.key


class ShardWriter:
    """Appends samples to an open tar. The bytes depend on the samples alone: no time, user or order of hashing."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.samples: list[SampleSpans] = []
        self.pictures: list[PictureRecord] = []
        self._tar = tar

    def add(self, picture: PictureRecord, samples: tuple[EncodedSample, ...]) -> None:
        """Append what was made of one picture."""
        self.pictures.append(picture)
        for sample in samples:
            large = self._append(f"{sample.key}.{LARGE}", sample.large)
            info = self._append(f"{sample.key}.{INFO}", sample.info.model_dump_json().encode())
            small = self._append(f"{sample.key}.{SMALL}", sample.small)
            self.samples.append(SampleSpans(key=sample.key, large=large, info=info, small=small))

    def _append(self, name: str, content: bytes) -> Span:
        member = tarfile.TarInfo(name)  # its time is 0 and its owner root unless set
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))
        padded = -(-len(content) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        return self._tar.offset - padded, len(content)


@contextmanager
def writing(path: Path) -> Iterator[ShardWriter]:
    """Write the shard `path`, then its record; neither is there if the block ends with an error."""
    with (
        atomic_path(path) as temporary,
        temporary.open("wb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        writer = ShardWriter(tar)
        yield writer
    record = ShardRecord(
        file=path.name,
        bytes=path.stat().st_size,
        sha256=sha256(path),
        samples=tuple(writer.samples),
        pictures=tuple(writer.pictures),
    )
    write_text(record_path(path), record.model_dump_json(indent=1) + "\n")


def shard_path(folder: Path, number: int) -> Path:
    """The name of a part's shard: `train_0/train_0-00012.tar`."""
    return folder / f"{folder.name}-{number:05}.tar"


def record_path(tar: Path) -> Path:
    """The name of the record beside a tar."""
    return tar.with_suffix(".json")


def tars(folder: Path) -> list[Path]:
    """The folder's finished shards, in order. Raises FeatureError if there are none."""
    found = [tar for tar in _numbered(folder) if record_path(tar).exists()]
    if not found:
        raise FeatureError(f"{folder} holds no tile shards; make them with python -m feature_pipeline")
    return found


def finished(folder: Path) -> Iterator[ShardRecord]:
    """The records of the folder's first shards, up to the first that is missing or not as long as its record says."""
    for number, tar in enumerate(_numbered(folder)):
        if not tar.stem.endswith(f"-{number:05}") or not record_path(tar).exists():
            return
        record = read_record(record_path(tar))
        if tar.stat().st_size != record.bytes:
            return
        yield record


def _numbered(folder: Path) -> list[Path]:
    return sorted(folder.glob("*-?????.tar"))


def remove_unfinished(folder: Path) -> None:
    """Remove the files with temporary names that a killed run left."""
    for path in folder.glob(".part-*"):
        path.unlink()


def read(folder: Path) -> Iterator[Sample]:
    """All samples of a folder, in order. Raises FeatureError if there are none or one is broken."""
    for entry in index(folder):
        yield load(entry)


def index(folder: Path) -> list[Entry]:
    """Where the folder's samples lie, in order; no tar is opened. Raises FeatureError if there are no shards."""
    return [Entry(tar, spans) for tar in tars(folder) for spans in read_record(record_path(tar)).samples]


def load(entry: Entry) -> Sample:
    """Read one sample. Raises FeatureError if the tar is not what its record says."""
    try:
        with entry.tar.open("rb") as file:
            large, info, small = (_read_span(file, span) for span in _spans(entry))
        return Sample(entry.key, decode_png(small), decode_png(large), SampleInfo.model_validate_json(info))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FeatureError(
            f"sample {entry.key} in {entry.tar} cannot be read; remove the shard and make it again"
        ) from error


def read_record(path: Path) -> ShardRecord:
    """Read a shard's record. Raises FeatureError if it is broken."""
    return _read_json(path, ShardRecord)


def read_manifest(folder: Path) -> Manifest:
    """Read what a finished part says of itself. Raises FeatureError if it is missing or broken."""
    return _read_json(folder / MANIFEST, Manifest)


def read_settings(folder: Path) -> Settings:
    """Read with which settings a part was begun. Raises FeatureError if they are broken."""
    return _read_json(folder / CONFIG, Settings)


def decode_png(content: bytes) -> Pixels:
    """A PNG's pixels, HWC uint8. Raises OSError, SyntaxError or ValueError if it is none, or too large for a tile."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if image.width * image.height > MAX_TILE_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels are none of a tile")
        return np.asarray(image.convert("RGB"))


def _spans(entry: Entry) -> tuple[Span, Span, Span]:
    return entry.spans.large, entry.spans.info, entry.spans.small


def _read_span(file: io.BufferedReader, span: Span) -> bytes:
    if span[1] > MAX_FILE_BYTES:
        raise ValueError(f"a file of {span[1]:,} bytes is none of a tile")
    file.seek(span[0])
    return file.read(span[1])


def _read_json(path: Path, model: type[Model]) -> Model:
    try:
        return json_files.load(path, model, MAX_JSON_BYTES)
    except FileNotFoundError as error:
        raise FeatureError(f"{path} is missing; make the shards with python -m feature_pipeline") from error
    except JsonError as error:
        raise FeatureError(f"{path}: {error}; make the shards again") from error
