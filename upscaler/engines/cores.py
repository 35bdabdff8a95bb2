"""CPU cores available to this process."""

import math
import os
from pathlib import Path

_CGROUP_CPU = Path("/sys/fs/cgroup/cpu.max")
_allowed: list[int] = []  # by `use_at_most`


def cores() -> int:
    """Return the number of cores that engines of this process use.

    They compute one window per core in parallel, so that no core waits for another between layers.
    """
    return min([shared_cores(), *_allowed])


def shared_cores() -> int:
    """Return the number of cores that this process and its control group may use, with those beside it."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([usable, *_cgroup_cores()])


def use_at_most(number: int) -> None:
    """Limit the cores of engines that this process loads later, so that several processes share a machine."""
    _allowed[:] = [number]


def _cgroup_cores() -> list[int]:
    try:
        quota, period = _CGROUP_CPU.read_text(encoding="utf-8").split()
    except OSError:  # no control groups, or version 1
        return []
    return [] if quota == "max" else [math.ceil(int(quota) / int(period))]
