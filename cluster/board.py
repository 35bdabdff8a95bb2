"""What the tasks of a cluster last reported. It imports nothing heavy, for it runs in a process of its own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """What a task's bar shows: units done of `total`, units a second, seconds to the end."""

    done: float
    total: float | None
    unit: str
    rate: float | None

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the end at this rate, if both are known."""
        return (self.total - self.done) / self.rate if self.total and self.rate else None


class Board:
    """The last report of each task."""

    def __init__(self) -> None:
        self._reports: dict[str, Progress] = {}

    def write(self, name: str, progress: Progress) -> None:
        """Keep a report."""
        self._reports[name] = progress

    def read(self) -> dict[str, Progress]:
        """All reports."""
        return self._reports
