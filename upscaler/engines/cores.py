"""CPU cores available to this process."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from upscaler import control_groups

_allowed: list[int] = []  # by `use_at_most`


def cores() -> int:
    """Return the number of cores that engines of this process use.

    They compute one window per core in parallel, so that no core waits for another between layers.
    """
    return min([shared_cores(), *_allowed])


def shared_cores() -> int:
    """Return the number of cores that this process and its control groups may use, with those beside it."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([usable, *_quotas()])


def use_at_most(number: int) -> None:
    """Limit the cores of engines that this process loads later, so that several processes share a machine."""
    _allowed[:] = [number]


def _quotas() -> Iterator[int]:
    """Yield the cores' worth of time that each control group, of version 2 and 1, may take, if it is limited."""
    for folder in control_groups.folders():
        yield from _quota(folder, ("cpu.max",))
    for folder in control_groups.folders("cpu"):
        yield from _quota(folder, ("cpu.cfs_quota_us", "cpu.cfs_period_us"))


def _quota(folder: Path, files: tuple[str, ...]) -> list[int]:
    """Read a quota and its period, in microseconds; in their place, "max" or -1 is no limit."""
    with suppress(OSError, ValueError):
        quota, period = (int(number) for name in files for number in (folder / name).read_text().split())
        return [math.ceil(quota / period)] if quota > 0 else []
    return []
