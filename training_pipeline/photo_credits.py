"""Credits of training pictures: rows of ATTRIBUTION.csv, from the shards' folders into that of the model."""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from feature_pipeline.attribution import HEADER
from feature_pipeline.manifest import ATTRIBUTION
from training_pipeline.errors import TrainingError
from upscaler.atomic import atomic_path
from upscaler.csv_cells import original
from upscaler.model import learned as learned_record
from upscaler.model.learned import Learned

IMAGE_ID, LICENSE, AUTHOR = map(HEADER.index, ("image_id", "license", "author"))


def collect(folders: Iterable[Path], target: Path) -> None:
    """Write the credits of all folders to the folder `target`, each picture once; nothing if there are none.

    Raises TrainingError if a file is no list of credits.
    """
    lists = [path for folder in folders if (path := folder / ATTRIBUTION).exists()]
    if not lists:
        (target / ATTRIBUTION).unlink(missing_ok=True)
        return
    written: set[str] = set()
    with atomic_path(target / ATTRIBUTION) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for row in chain.from_iterable(map(_rows, lists)):
            if row[IMAGE_ID] not in written:
                written.add(row[IMAGE_ID])
                writer.writerow(row)


def section(folder: Path, learned: Learned) -> str:
    """Return a card's paragraph on the credits in a model's folder; "" if there are none.

    learned: the pictures that all of the model's networks learned from. Raises TrainingError if the file is no list of
    credits.
    """
    if not (path := folder / ATTRIBUTION).exists():
        return ""
    photos = _photos(path, learned)
    return f"\n`{ATTRIBUTION}`, beside the weights, gives the licence, and the author if known, of {photos}.\n"


def _photos(path: Path, learned: Learned) -> str:
    """Return the photos that have credits, as a phrase."""
    if not learned.complete:
        return "the photos in it"
    credited = learned_record.hashed(original(row[IMAGE_ID]) for row in _rows(path) if row[LICENSE] or row[AUTHOR])
    count, of_all = int(np.isin(learned.trained, credited).sum()), len(learned.trained)
    return "each photo" if count == of_all else f"{count:,} of the {of_all:,} photos"


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            if next(rows, None) != HEADER:
                raise TrainingError(f"{path} is no list of credits; make the shards again")
            yield from (row for row in rows if len(row) == len(HEADER))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is no list of credits ({error}); make the shards again") from error
