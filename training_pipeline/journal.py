"""The log of a run: log.jsonl, and the trackers that show it."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from training_pipeline.errors import TrainingError
from training_pipeline.folder import LOG
from training_pipeline.trackers import Tracker
from upscaler import json_files
from upscaler.atomic import write_text
from upscaler.json_files import JsonError
from upscaler.metrics import Score


class Row(BaseModel, strict=True):
    """Schema of what is read of each row of a log."""

    step: int
    psnr_y: float


def read(run: Path) -> list[dict[str, Any]]:
    """Read the rows of a run's log; none if it has no log. Raises TrainingError if one is broken."""
    if not (path := run / LOG).exists():
        return []
    try:
        rows = [json_files.parse(line, dict[str, Any]) for line in path.read_bytes().splitlines()]
        json_files.check(rows, list[Row])
    except JsonError as error:
        raise TrainingError(f"{path}: {error}; remove it; a run that goes on writes it again") from error
    return rows


class Journal:
    """Writer of log.jsonl, one row for each evaluation, and sender of measures to trackers."""

    def __init__(self, run: Path, rows: list[dict[str, Any]], trackers: Sequence[Tracker] = ()) -> None:
        """Start with the rows of the checkpoint that the run resumes from; later rows are dropped."""
        self._path = run / LOG
        self.rows = rows
        self._write()
        self._trackers = trackers

    def add(self, step: int, score: Score, **measures: float) -> None:
        """Log an evaluation."""
        row = {"step": step, **measures, **asdict(score)}
        self.rows.append(row)
        self._write()
        self.show(step, **measures, **asdict(score))

    def show(self, step: int, **measures: float) -> None:
        """Show measures to the trackers only."""
        for tracker in self._trackers:
            tracker.show(step, measures)

    def holds(self, step: int) -> bool:
        """Return True if the evaluation after `step` is logged."""
        return any(row["step"] == step for row in self.rows)

    @property
    def best(self) -> float:
        """Highest PSNR (Y) so far, in dB."""
        return max((row["psnr_y"] for row in self.rows), default=-math.inf)

    def close(self) -> None:
        """Close the trackers."""
        for tracker in self._trackers:
            tracker.close()

    def _write(self) -> None:
        write_text(self._path, "".join(json.dumps(row) + "\n" for row in self.rows))
