"""Reader and writer of tile shards: plain tar files in WebDataset layout.

A sample is `<key>.hr.png` 256x256, `<key>.json` and `<key>.lr.png` 128x128. Each tar has a record next to it, a JSON
file that is written last: a shard is finished when its record exists. A folder of shards holds one part of Open Images.
"""

import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, NonNegativeInt

from feature_pipeline.duplicates import Looks, looks
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import (
    CONFIG,
    MANIFEST,
    SOURCE,
    FileName,
    Manifest,
    PictureRecord,
    SampleInfo,
    Settings,
    Source,
)
from upscaler import json_files
from upscaler.atomic import atomic_path, remove_parts, write_text
from upscaler.json_files import JsonError
from upscaler.links import followed
from upscaler.model.artifact import sha256
from upscaler.pixels import Pixels

__all__ = ["Entry", "Sample", "load", "read", "read_manifest"]

# Limits for shards from elsewhere; ours are far smaller
MAX_FILE_BYTES = 16 << 20  # of a sample's file
MAX_TILE_PIXELS = 1 << 20
MAX_JSON_BYTES = 256 << 20  # of a record or a manifest; a picture takes 1 kB

HR, INFO, LR = "hr.png", "json", "lr.png"  # in the order of the tar

Model = TypeVar("Model", bound=BaseModel)
Span = tuple[NonNegativeInt, NonNegativeInt]  # offset and length of a tar member's content, in bytes


@dataclass(frozen=True)
class Sample:
    """A tile pair: `lr` 128x128x3 and `hr` 256x256x3, both uint8 sRGB."""

    key: str
    lr: Pixels
    hr: Pixels
    info: SampleInfo


@dataclass(frozen=True)
class EncodedSample:
    """A tile pair as two PNG files."""

    key: str
    lr: bytes
    hr: bytes
    info: SampleInfo


class SampleSpans(BaseModel):
    """Byte spans of a sample's three files in its tar; `large` is the HR tile, `small` the LR tile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    large: Span
    info: Span
    small: Span

    @property
    def image_id(self) -> str:
        """Id of the picture."""
        return self.key.rpartition("-")[0]


class ShardRecord(BaseModel):
    """The record of a tar: its hash, the spans of its samples, and every picture considered for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: FileName
    bytes: NonNegativeInt
    sha256: str
    samples: tuple[SampleSpans, ...]
    pictures: tuple[PictureRecord, ...]

    def looks(self) -> dict[str, Looks]:
        """Return the perceptual hashes of each accepted picture, by id; a skipped one may have the id of another."""
        return {picture.image_id: looks(picture) for picture in self.pictures if picture.skipped is None}


@dataclass(frozen=True)
class Entry:
    """The location of a sample on disk."""

    tar: Path
    spans: SampleSpans

    @property
    def key(self) -> str:
        """Image id and tile number, joined by a hyphen."""
        return self.spans.key

    @property
    def image_id(self) -> str:
        """Id of the picture."""
        return self.spans.image_id


class ShardWriter:
    """Writer of samples to an open tar. The bytes depend on the samples only, not on time, user or hash order."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.samples: list[SampleSpans] = []
        self.pictures: list[PictureRecord] = []
        self._tar = tar

    def add(self, picture: PictureRecord, samples: tuple[EncodedSample, ...]) -> None:
        """Append the samples of one picture."""
        self.pictures.append(picture)
        for sample in samples:
            hr = self._append(f"{sample.key}.{HR}", sample.hr)
            info = self._append(f"{sample.key}.{INFO}", sample.info.model_dump_json().encode())
            lr = self._append(f"{sample.key}.{LR}", sample.lr)
            self.samples.append(SampleSpans(key=sample.key, large=hr, info=info, small=lr))

    def _append(self, name: str, content: bytes) -> Span:
        member = tarfile.TarInfo(name)  # mtime 0 and owner root by default
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))
        padded = -(-len(content) // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
        return self._tar.offset - padded, len(content)


@contextmanager
def writing(path: Path) -> Iterator[ShardWriter]:
    """Write the shard `path`, then its record; write neither if the block raises."""
    with atomic_path(path) as temporary:
        with (
            temporary.open("wb") as file,
            tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8") as tar,
        ):
            writer = ShardWriter(tar)
            yield writer
        record = ShardRecord(  # before the rename, after which the uploader may replace the tar by zeros
            file=path.name,
            bytes=temporary.stat().st_size,
            sha256=sha256(temporary),
            samples=tuple(writer.samples),
            pictures=tuple(writer.pictures),
        )
    write_text(record_path(path), record.model_dump_json(indent=1) + "\n")


def shard_path(folder: Path, number: int) -> Path:
    """Return the path of a part's shard, such as `train_0/train_0-00012.tar`."""
    return folder / f"{folder.name}-{number:05}.tar"


def record_path(tar: Path) -> Path:
    """Return the path of a tar's record."""
    return tar.with_suffix(".json")


def tars(folder: Path) -> list[Path]:
    """List the folder's finished shards, in order. Raises FeatureError if there are none."""
    found = [tar for tar in _numbered(folder) if record_path(tar).exists()]
    if not found:
        raise none_in(folder)
    return found


def none_in(folder: Path) -> FeatureError:
    """Return the error for a folder without shards."""
    return FeatureError(f"{folder} has no tile shards; make them with python -m feature_pipeline")


def finished(folder: Path) -> Iterator[ShardRecord]:
    """Yield the records of the folder's shards, up to the first that is missing, broken or of another length."""
    for number, tar in enumerate(_numbered(folder)):
        if not tar.stem.endswith(f"-{number:05}"):
            return
        try:
            record = read_record(record_path(tar))
        except FeatureError:
            return
        if tar.stat().st_size != record.bytes:
            return
        yield record


def _numbered(folder: Path) -> list[Path]:
    return sorted(folder.glob("[!.]*-?????.tar"))  # hidden ones are being written


def remove_unfinished(folder: Path, pictures: int) -> None:
    """Remove the temporary files of a killed run, and a last shard of fewer than `pictures`, which may get more."""
    remove_parts(folder)
    for record in finished(folder):
        if len(record.pictures) < pictures:
            _remove_shard(folder / record.file)


def remove(folder: Path) -> None:
    """Remove a part's shards, their records, its settings and its source."""
    for tar in _numbered(folder):
        _remove_shard(tar)
    for name in (CONFIG, SOURCE):
        (folder / name).unlink(missing_ok=True)


def _remove_shard(tar: Path) -> None:
    record_path(tar).unlink(missing_ok=True)
    tar.unlink()


def read(folder: Path) -> Iterator[Sample]:
    """Yield all samples of a folder, in order. Raises FeatureError if there are none or one is broken."""
    for tar in tars(folder):
        for spans in read_record(record_path(tar)).samples:
            yield load(Entry(tar, spans))


def pictures(tiles: Iterable[Entry]) -> dict[str, Looks]:
    """Return the pictures of the tiles by id, in order, with the perceptual hashes that are recorded.

    For sets whose pictures are named, such as a test set: it takes 300 bytes a picture.
    """
    found: dict[str, Looks] = {}
    for tar, group in groupby(tiles, key=lambda tile: tile.tar):
        hashes = read_record(record_path(tar)).looks()
        found |= {tile.image_id: hashes.get(tile.image_id, ()) for tile in group}
    return found


def load(entry: Entry) -> Sample:
    """Read one sample. Raises FeatureError if the tar does not match its record."""
    try:
        with entry.tar.open("rb") as file:
            hr, info, lr = (_read_span(file, span) for span in _spans(entry))
        return Sample(entry.key, decode_png(lr), decode_png(hr), SampleInfo.model_validate_json(info))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FeatureError(
            f"sample {entry.key} in {entry.tar} cannot be read; remove the shard and run the feature pipeline again"
        ) from error


def read_record(path: Path) -> ShardRecord:
    """Read a shard's record. Raises FeatureError if it is broken."""
    return _read_json(path, ShardRecord)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a finished part. Raises FeatureError if it is missing or broken."""
    return _read_json(folder / MANIFEST, Manifest)


def read_settings(folder: Path) -> Settings:
    """Read the settings of a part. Raises FeatureError if they are missing or broken."""
    return _read_json(folder / CONFIG, Settings)


def read_source(folder: Path) -> Source:
    """Read the source of a part. Raises FeatureError if it is missing or broken."""
    return _read_json(folder / SOURCE, Source)


def is_part(folder: Path) -> bool:
    """Return True if a folder holds a part, finished or not."""
    with suppress(FeatureError, NotADirectoryError):  # also of a file beside the parts
        read_settings(folder)
        return True
    return (folder / MANIFEST).exists() or shard_path(followed(folder), 0).exists()


def decode_png(content: bytes) -> Pixels:
    """Decode a PNG to HWC uint8. Raises OSError, SyntaxError or ValueError if it is not one or too large for a tile."""
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if image.width * image.height > MAX_TILE_PIXELS:
            raise ValueError(f"{image.width}x{image.height} pixels are too many for a tile")
        return np.asarray(image.convert("RGB"))


def _spans(entry: Entry) -> tuple[Span, Span, Span]:
    return entry.spans.large, entry.spans.info, entry.spans.small


def _read_span(file: io.BufferedReader, span: Span) -> bytes:
    if span[1] > MAX_FILE_BYTES:
        raise ValueError(f"{span[1]:,} bytes are too many for a tile")
    file.seek(span[0])
    return file.read(span[1])


def _read_json(path: Path, model: type[Model]) -> Model:
    try:
        return json_files.load(path, model, MAX_JSON_BYTES)
    except FileNotFoundError as error:
        raise FeatureError(f"{path} is missing; make the shards with python -m feature_pipeline") from error
    except JsonError as error:
        raise FeatureError(f"{path}: {error}; make the shards again") from error
