"""The Open Images metadata: author and licence of each picture."""

import csv
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from feature_pipeline.download import TIMEOUT, download
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import Attribution, PictureRecord, image_id
from upscaler.atomic import atomic_path, remove_parts
from upscaler.csv_cells import harmless
from upscaler.model.artifact import sha256

ABANDONED = 10 * TIMEOUT  # seconds without a write, after which a download's process has ended
# The columns, and their names in a sample's JSON
COLUMNS = {
    "License": "license",
    "Author": "author",
    "AuthorProfileURL": "author_profile",
    "Title": "title",
    "OriginalLandingURL": "landing_page",
}
HEADER = ["image_id", "tiles", *Attribution.model_fields]  # of ATTRIBUTION.csv
NEEDED = {"ImageID", "Subset", *COLUMNS}

MAX_LIST_BYTES = 8 << 30  # the list of all Open Images is 3 GB
MAX_ROW = 1 << 16  # characters
MAX_KEPT = 1 << 29  # characters of one part's rows; the largest part has 50 million

Listed = dict[str, tuple[str, ...]]  # image id -> the values of COLUMNS


def fetch(place: str, folder: Path) -> Path:
    """Return the list as a file; an address is downloaded once and kept in `folder`. Raises FeatureError."""
    if not _is_address(place):
        if not Path(place).is_file():
            raise FeatureError(f"the list {place} does not exist; give a CSV file or an address to --metadata")
        return Path(place)
    remove_parts(folder, ABANDONED)
    kept = folder / f"metadata-{digest(place)}.csv"
    if not kept.exists():
        download(place, kept, MAX_LIST_BYTES)
    return kept


def digest(place: str) -> str:
    """Return 12 hexadecimal digits that identify a list: of its address, or of its file's content. Raises FeatureError.

    Nothing is downloaded for them.
    """
    whole = hashlib.sha256(place.encode()).hexdigest() if _is_address(place) else sha256(fetch(place, Path()))
    return whole[:12]


def read(lists: Iterable[Path], part: str) -> Listed:
    """Read the rows of one part's pictures; the other rows are dropped, which bounds memory. Raises FeatureError."""
    subset, _, digit = part.partition("_")
    listed: Listed = {}
    kept = 0
    for path in lists:
        for row in _rows(path):
            if row["Subset"] == subset and (identity := row["ImageID"] or "").startswith(digit):
                listed[identity] = tuple(row[column] or "" for column in COLUMNS)
                kept += len(identity) + sum(map(len, listed[identity]))
                if kept > MAX_KEPT:
                    raise FeatureError(f"{path} has over {MAX_KEPT:,} characters on {part}; give the Open Images list")
    return listed


def of(listed: Listed, name: str) -> Attribution | None:
    """Return the attribution of the picture with that file name, or None if it is not listed."""
    values = listed.get(image_id(name))
    return Attribution(**dict(zip(COLUMNS.values(), values, strict=True))) if values else None


def write_csv(path: Path, pictures: Iterable[PictureRecord]) -> None:
    """Write ATTRIBUTION.csv: a row for each picture that has tiles."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for picture in pictures:
            if picture.skipped is None:
                credit = picture.attribution or Attribution()
                writer.writerow(
                    [
                        _cell(picture.image_id),
                        picture.tiles,
                        *map(_cell, credit.model_dump().values()),
                    ]
                )


def _is_address(place: str) -> bool:
    return place.startswith(("http://", "https://"))


def _cell(text: str) -> str:
    return harmless(text.replace("\r", " "))  # csv.writer leaves it unquoted, and spreadsheets start a new row


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
        raise FeatureError(f"{path} is not a CSV file ({error}); give the Open Images list of pictures") from error


class _Lines:
    """The lines of a file. Raises csv.Error for a row that is too long, since the csv module limits only fields."""

    def __init__(self, file: TextIO) -> None:
        self.row = 0  # characters of the current row
        self._file = file

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(MAX_ROW):
            self.row += len(line)
            if self.row >= MAX_ROW:
                raise csv.Error(f"a row is longer than {MAX_ROW:,} characters")
            yield line
