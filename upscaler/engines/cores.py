"""How many windows are computed side by side."""

import math
import os
from pathlib import Path

_CGROUP_CPU = Path("/sys/fs/cgroup/cpu.max")


def cores() -> int:
    """The processor's cores that this process, or the control group that it runs in, may use.

    One window on each beats all of them on one window, because no core waits for another between layers.
    """
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([own, *_cgroup_cores()])


def _cgroup_cores() -> list[int]:
    try:
        quota, period = _CGROUP_CPU.read_text().split()
    except OSError:  # no control groups, or of version 1
        return []
    return [] if quota == "max" else [math.ceil(int(quota) / int(period))]
