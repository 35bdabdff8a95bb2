"""Credits of training pictures: rows of ATTRIBUTION.csv, from the shards' folders into that of the model."""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from feature_pipeline.attribution import HEADER
from feature_pipeline.manifest import ATTRIBUTION
from training_pipeline.errors import TrainingError
from upscaler.atomic import atomic_path


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
            if row[0] not in written:
                written.add(row[0])
                writer.writerow(row)


def _rows(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            if next(rows, None) != HEADER:
                raise TrainingError(f"{path} is no list of credits; make the shards again")
            yield from (row for row in rows if len(row) == len(HEADER))
    except (csv.Error, UnicodeDecodeError) as error:
        raise TrainingError(f"{path} is no list of credits ({error}); make the shards again") from error
