"""The Open Images list of pictures: who took each, under which licence."""

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

import requests

from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import Attribution, PictureRecord
from upscaler.atomic import atomic_path
from upscaler.csv_cells import harmless

TIMEOUT = 60.0  # seconds without a byte
CHUNK = 1 << 20
# The list's columns, and what a sample's JSON calls them
COLUMNS = {
    "License": "license",
    "Author": "author",
    "AuthorProfileURL": "author_profile",
    "Title": "title",
    "OriginalLandingURL": "landing_page",
}
NEEDED = {"ImageID", "Subset", *COLUMNS}

MAX_LIST_BYTES = 8 << 30  # of all images of Open Images it is 3 GB
MAX_ROW = 1 << 16  # characters
MAX_KEPT = 1 << 29  # characters of one part's rows; those of the largest part are 50 million

Listed = dict[str, tuple[str, ...]]  # image id -> the values of COLUMNS


def fetch(place: str, folder: Path) -> Path:
    """The list as a file: a file that is there, or an address, which is fetched once and kept in `folder`."""
    if not place.startswith(("http://", "https://")):
        if not Path(place).is_file():
            raise FeatureError(f"the list {place} does not exist; give a CSV file or an address to --metadata")
        return Path(place)
    kept = folder / f"metadata-{hashlib.sha256(place.encode()).hexdigest()[:12]}.csv"
    if not kept.exists():
        _download(place, kept)
    return kept


def read(lists: Iterable[Path], part: str) -> Listed:
    """What the lists say of one part's pictures; of the others nothing is kept, so that memory is bounded."""
    subset, _, digit = part.partition("_")
    listed: Listed = {}
    kept = 0
    for path in lists:
        for row in _rows(path):
            if row["Subset"] == subset and (image_id := row["ImageID"] or "").startswith(digit):
                listed[image_id] = tuple(row[column] or "" for column in COLUMNS)
                kept += len(image_id) + sum(map(len, listed[image_id]))
                if kept > MAX_KEPT:
                    raise FeatureError(f"{path} says too much of {part} to be kept; give the Open Images list")
    return listed


def of(listed: Listed, name: str) -> Attribution | None:
    """Whose the picture of that file name is, or None if it is not in the list."""
    values = listed.get(name.partition(".")[0])
    return Attribution(**dict(zip(COLUMNS.values(), values, strict=True))) if values else None


def write_csv(path: Path, pictures: Iterable[PictureRecord]) -> None:
    """Write a line for each picture that tiles were taken of."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image_id", "tiles", *Attribution.model_fields])
        for picture in pictures:
            if picture.skipped is None:
                credit = picture.attribution or Attribution()
                writer.writerow(
                    [
                        _cell(picture.name.partition(".")[0]),
                        picture.tiles,
                        *map(_cell, credit.model_dump().values()),
                    ]
                )


def _cell(text: str) -> str:
    return harmless(text.replace("\r", " "))  # csv.writer does not quote it, and spreadsheets begin a new row there


def _rows(path: Path) -> Iterator[dict[str, str | None]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = _Lines(file)
            reader = csv.DictReader(lines)
            if missing := NEEDED - set(reader.fieldnames or ()):
                raise FeatureError(f"{path} has no column {sorted(missing)[0]}; give the Open Images list of pictures")
            for row in reader:
                lines.row = 0
                yield row
    except (csv.Error, UnicodeDecodeError) as error:
        raise FeatureError(f"{path} is no CSV file ({error}); give the Open Images list of pictures") from error


class _Lines:
    """The lines of a file. Raises csv.Error if those of one row are too long: the module bounds only a field."""

    def __init__(self, file: TextIO) -> None:
        self.row = 0  # characters since it was last set to 0
        self._file = file

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(MAX_ROW):
            self.row += len(line)
            if self.row >= MAX_ROW:
                raise csv.Error(f"a row is longer than {MAX_ROW:,} characters")
            yield line


def _download(address: str, target: Path) -> None:
    try:
        with requests.get(address, stream=True, timeout=TIMEOUT) as answer, atomic_path(target) as temporary:
            answer.raise_for_status()
            with temporary.open("wb") as file:
                _copy(answer, file)
    except requests.RequestException as error:
        raise FeatureError(f"the list {address} cannot be fetched ({error}); try again later") from error


def _copy(answer: requests.Response, file: io.BufferedWriter) -> None:
    for chunk in answer.iter_content(CHUNK):
        if file.tell() + len(chunk) > MAX_LIST_BYTES:
            raise FeatureError(f"the list {answer.url} is longer than {MAX_LIST_BYTES:,} bytes; give another address")
        file.write(chunk)
