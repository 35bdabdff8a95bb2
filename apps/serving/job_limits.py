"""The most that one job of a worker may take, and the price that it may have."""

from dataclasses import dataclass, field

from upscaler import Limits
from upscaler.engines.cores import cores
from upscaler.pictures import budget

_MEMORY_SHARE = 0.75  # of the memory available at start
_SECONDS = 30 * 60.0


@dataclass(frozen=True)
class JobLimits:
    """`memory` of the job's process in bytes, CPU and wall-clock time in seconds; the rest as in `Limits`."""

    memory: int = field(default_factory=lambda: int(_MEMORY_SHARE * budget.available_memory()))
    cpu_seconds: float = field(default_factory=lambda: _SECONDS * cores())
    seconds: float = _SECONDS
    frames: int = 1_000
    windows: int = 100_000
    scans: int = 100

    def of_file(self, seconds: float) -> Limits:
        """Return the limits of a file that is to be finished within `seconds`."""
        return Limits(frames=self.frames, windows=self.windows, scans=self.scans, seconds=seconds)
