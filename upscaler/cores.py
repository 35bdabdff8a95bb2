"""How many windows are computed side by side."""

import os


def cores() -> int:
    """The processor's cores that this process may use.

    One window on each beats all of them on one window, because no core waits for another between layers.
    """
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
