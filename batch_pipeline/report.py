"""Report of a batch: a JSON line for each picture that was upscaled or failed."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from batch_pipeline.places import Place

REPORT = "report.jsonl"  # in a folder
SEGMENTS = "report/"  # in a bucket, whose objects cannot grow
_LINES, _SECONDS = 1000, 10.0  # of a segment, at most


class Record(BaseModel):
    """Outcome of one picture.

    size, target_size: width and height before and after. model: its revision. error: a sentence, with its `reason`;
    `passing`: it may vanish, such as a full disk, so that the next run tries again.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    target: str = ""
    size: tuple[int, int] | None = None
    target_size: tuple[int, int] | None = None
    model: str = ""
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    error: str | None = None
    reason: str = ""
    passing: bool = False

    @property
    def megapixels(self) -> float:
        """Output megapixels."""
        return self.target_size[0] * self.target_size[1] / 1e6 if self.target_size else 0.0


class Report(Protocol):
    """A report that grows by whole lines."""

    def add(self, record: Record) -> None:
        """Write a record."""

    def close(self) -> None:
        """Write what is held back."""


class FileReport:
    """A report in a file, where each line is written at once. A line that a killed run left unfinished is removed."""

    def __init__(self, path: Path) -> None:
        path.touch()
        with path.open("r+b") as file:
            file.truncate(_end_of_lines(file.fileno()))
        self._file = path.open("ab", buffering=0)

    def add(self, record: Record) -> None:
        """Write a record at once, so that it is there even if the process is killed; all of it, or nothing."""
        line, file = _line(record), self._file.fileno()
        end = os.fstat(file).st_size
        try:
            while line:  # a write that meets a full disk is cut short, and only the next one fails
                line = line[os.write(file, line) :]
        except BaseException:
            self._file.truncate(end)
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class SegmentedReport:
    """A report in objects of a bucket, each written once; a killed run loses the last ten seconds."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._lines: list[bytes] = []
        self._since = time.monotonic()

    def add(self, record: Record) -> None:
        """Hold a record back until the segment is long or old enough."""
        self._lines.append(_line(record))
        if len(self._lines) >= _LINES or time.monotonic() - self._since > _SECONDS:
            self.close()

    def close(self) -> None:
        """Write the segment, named by the time, so that names sort as they were written."""
        if self._lines:
            with self._place.writing(f"{SEGMENTS}{time.time_ns():020}.jsonl") as path:
                path.write_bytes(b"".join(self._lines))
        self._lines, self._since = [], time.monotonic()


def _line(record: Record) -> bytes:
    return record.model_dump_json().encode() + b"\n"


def written(place: Place, names: Iterable[str]) -> Iterator[Record]:
    """Yield the records of earlier runs, from the files of a report in order."""
    for name in names:
        with place.reading(name) as path, path.open("rb") as lines:
            for line in lines:
                with suppress(ValidationError):  # a line that somebody else wrote, or that a killed run left unfinished
                    yield Record.model_validate_json(line)


def _end_of_lines(file: int, block: int = 1 << 16) -> int:
    """Return the length of a file up to its last newline."""
    end = os.fstat(file).st_size
    while end:
        start = max(end - block, 0)
        os.lseek(file, start, os.SEEK_SET)
        if (newline := os.read(file, end - start).rfind(b"\n")) >= 0:
            return start + newline + 1
        end = start
    return 0
