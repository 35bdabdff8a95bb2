"""History of measurements by day and model, in an SQLite file that several processes may write."""

import csv
import datetime as dt
import io
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from apps.monitor.apod import FIRST_DAY
from upscaler import csv_cells
from upscaler.errors import DoubleResolutionError

LOCK_TIMEOUT = 60  # seconds to wait for another process's transaction
LONGEST_CSV = 20_000_000  # characters
MOST_ROWS = 100_000  # 30 years of days with nine models
_END = dt.date(2100, 1, 1)


class HistoryError(DoubleResolutionError):
    """Error for a history that cannot be read or written."""


def _day(text: str) -> str:
    day = dt.date.fromisoformat(text)
    if text != str(day) or not FIRST_DAY <= day < _END:
        raise ValueError(f"{text} is not a date from {FIRST_DAY} on")
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())


Name = Annotated[str, Field(max_length=200), AfterValidator(_one_line)]
Title = Annotated[str, Field(max_length=2000), AfterValidator(_one_line)]
Pixels = Annotated[int, Field(gt=0, le=10**6)]
Number = Annotated[float, Field(ge=-(10**6), le=10**6, allow_inf_nan=False)]


class Row(BaseModel):
    """Measurement of one day.

    day: YYYY-MM-DD. width, height: pixels of NASA's picture. measured_width, measured_height: pixels of its measured
    centre. PSNR and gain in dB, on the Y channel. seconds: time of upscaling. measured_at: UTC, in ISO 8601.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    day: Annotated[str, AfterValidator(_day)]
    revision: Name
    model: Name
    title: Title
    width: Pixels
    height: Pixels
    measured_width: Pixels
    measured_height: Pixels
    psnr: Number
    ssim: Number
    bicubic_psnr: Number
    bicubic_ssim: Number
    gain: Number
    seconds: Number
    measured_at: Name

    @property
    def values(self) -> tuple[str | int | float, ...]:
        """Values in the order of the columns."""
        return tuple(self.model_dump().values())


COLUMNS = tuple(Row.model_fields)
TEXTS = tuple(name for name, field in Row.model_fields.items() if field.annotation is str)
_TYPES: dict[object, str] = {str: "TEXT", int: "INTEGER", float: "REAL"}
_COLUMNS_SQL = ", ".join(f"{name} {_TYPES[field.annotation]} NOT NULL" for name, field in Row.model_fields.items())
_CREATE = f"CREATE TABLE IF NOT EXISTS measurements ({_COLUMNS_SQL}, PRIMARY KEY (day, revision))"


class History:
    """SQLite file of measurements; each call is one short transaction, so threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. Raises HistoryError if it is not a history."""
        self.path = path
        with self._transaction():
            pass

    def add(self, rows: Iterable[Row], replace: bool = True) -> None:
        """Add rows. replace: overwrite rows of the same day and model; otherwise keep those."""
        verb = "REPLACE" if replace else "IGNORE"
        marks = ", ".join("?" * len(COLUMNS))
        with self._transaction() as database:
            database.executemany(f"INSERT OR {verb} INTO measurements VALUES ({marks})", (row.values for row in rows))

    def rows(self, revision: str | None = None) -> list[Row]:
        """Return all rows, or those of one model, the earliest day first."""
        query = f"SELECT {', '.join(COLUMNS)} FROM measurements WHERE ? IS NULL OR revision = ? ORDER BY day, revision"
        with self._transaction() as database:
            return [
                Row(**dict(zip(COLUMNS, row, strict=True))) for row in database.execute(query, (revision, revision))
            ]

    def done(self, revision: str) -> set[dt.date]:
        """Return the days measured with a model."""
        query = "SELECT day FROM measurements WHERE revision = ?"
        with self._transaction() as database:
            return {dt.date.fromisoformat(day) for (day,) in database.execute(query, (revision,))}

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction; create it again if it was removed."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT)
            try:
                with connection:
                    connection.execute(_CREATE)
                    yield connection
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise HistoryError(
                f"the history {self.path} cannot be used ({error}); set HISTORY to another file"
            ) from error


def to_csv(rows: Iterable[Row]) -> str:
    """Write rows as CSV with a header, protected against CSV injection."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(map(_cell, row.values) for row in rows)
    return text.getvalue()


def from_csv(text: str) -> list[Row]:
    """Parse the CSV of `to_csv`. Raises HistoryError if the text is invalid or too long."""
    if len(text) > LONGEST_CSV:
        raise HistoryError(f"the CSV of the history has more than {LONGEST_CSV:,} characters")
    try:
        rows = [_row(line) for line in islice(csv.DictReader(io.StringIO(text)), MOST_ROWS + 1)]
    except (csv.Error, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise HistoryError(f"the CSV of the history cannot be read ({reason})") from error
    if len(rows) > MOST_ROWS:
        raise HistoryError(f"the CSV of the history has more than {MOST_ROWS:,} rows")
    return rows


def _cell(value: str | float) -> str | float:
    return csv_cells.harmless(value) if isinstance(value, str) else value


def _row(line: dict[str, str]) -> Row:
    return Row.model_validate(line | {name: csv_cells.original(line[name]) for name in TEXTS if line.get(name)})
