"""What was measured, day by day and model by model, in one SQLite file that several processes may write."""

import csv
import datetime as dt
import io
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from upscaler.errors import DoubleResolutionError

PATIENCE = 60  # seconds to wait for another process's transaction


class HistoryError(DoubleResolutionError):
    """The history cannot be read or written."""


class Row(BaseModel):
    """A day's measurement. `day`: YYYY-MM-DD. Sizes in pixels of NASA's picture and of what was measured of it.

    PSNR and gain in dB, on the Y channel. seconds: what doubling the measured picture's half took. measured_at: UTC,
    in ISO 8601.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    day: str
    revision: str
    model: str
    title: str
    width: int
    height: int
    measured_width: int
    measured_height: int
    psnr: float
    ssim: float
    bicubic_psnr: float
    bicubic_ssim: float
    gain: float
    seconds: float
    measured_at: str

    @property
    def values(self) -> tuple[str | int | float, ...]:
        """The values in the order of the columns."""
        return tuple(self.model_dump().values())


COLUMNS = tuple(Row.model_fields)
_TYPES = {str: "TEXT", int: "INTEGER", float: "REAL"}
_COLUMNS_SQL = ", ".join(f"{name} {_TYPES[Row.__annotations__[name]]} NOT NULL" for name in COLUMNS)
_CREATE = f"CREATE TABLE IF NOT EXISTS measurements ({_COLUMNS_SQL}, PRIMARY KEY (day, revision))"


class History:
    """The history's file. Each call is one short transaction, so threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. Raises HistoryError if it is no history."""
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._transaction() as database:
            database.execute(_CREATE)

    def add(self, rows: Iterable[Row], replace: bool = True) -> None:
        """Add rows; `replace`: one of the same day and model replaces what there is, else it is left out."""
        verb = "REPLACE" if replace else "IGNORE"
        marks = ", ".join("?" * len(COLUMNS))
        with self._transaction() as database:
            database.executemany(f"INSERT OR {verb} INTO measurements VALUES ({marks})", (row.values for row in rows))

    def rows(self, revision: str | None = None) -> list[Row]:
        """All rows, or those of one model, the earliest day first."""
        query = f"SELECT {', '.join(COLUMNS)} FROM measurements WHERE ? IS NULL OR revision = ? ORDER BY day, revision"
        with self._transaction() as database:
            return [
                Row(**dict(zip(COLUMNS, row, strict=True))) for row in database.execute(query, (revision, revision))
            ]

    def done(self, revision: str) -> set[dt.date]:
        """The days that are measured with a model."""
        query = "SELECT day FROM measurements WHERE revision = ?"
        with self._transaction() as database:
            return {dt.date.fromisoformat(day) for (day,) in database.execute(query, (revision,))}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = sqlite3.connect(self.path, timeout=PATIENCE)
            try:
                with connection:
                    yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise HistoryError(
                f"the history {self.path} cannot be used ({error}); set HISTORY to another file"
            ) from error


def to_csv(rows: Iterable[Row]) -> str:
    """The rows as CSV, with a heading."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(row.values for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[Row]:
    """The inverse of `to_csv`. Raises HistoryError if the text is none of its."""
    try:
        return [Row.model_validate(line) for line in csv.DictReader(io.StringIO(text))]
    except ValidationError as error:
        raise HistoryError(f"the CSV of the history cannot be read ({error.errors()[0]['msg']})") from error
