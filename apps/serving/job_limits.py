"""Limits on memory, time and price of a worker's job."""

from dataclasses import dataclass, field

from upscaler import Limits
from upscaler.engines.cores import cores
from upscaler.pictures import budget

MEMORY_SHARE = 0.75  # fraction of the memory available at start
_SECONDS = 30 * 60.0


@dataclass(frozen=True)
class JobLimits:
    """Limits of one job.

    memory: bytes of its process. cpu_seconds, seconds: CPU and wall-clock time. frames, windows, scans: as in `Limits`.
    """

    memory: int = field(default_factory=lambda: int(MEMORY_SHARE * budget.available_memory()))
    cpu_seconds: float = field(default_factory=lambda: _SECONDS * cores())
    seconds: float = _SECONDS
    frames: int = 1_000
    windows: int = 100_000
    scans: int = 100

    @property
    def of_file(self) -> Limits:
        """Limits of a file, which must be finished within the job's wall-clock time."""
        return Limits(frames=self.frames, windows=self.windows, scans=self.scans, seconds=self.seconds)
