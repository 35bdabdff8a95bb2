"""Progress reports of a cluster's tasks; without heavy imports, because the board is a process of its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The progress of a task: units done of `total`, and units a second."""

    done: float
    total: float | None
    unit: str
    rate: float | None

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end at this rate, None if unknown."""
        return (self.total - self.done) / self.rate if self.total and self.rate else None


class Board:
    """The latest report of each task."""

    def __init__(self) -> None:
        self._reports: dict[str, Progress] = {}

    def write(self, name: str, progress: Progress) -> None:
        """Store a report."""
        self._reports[name] = progress

    def read(self) -> dict[str, Progress]:
        """Return all reports by task name."""
        return self._reports
