"""The table of a load test: a row for each figure, a column for each app."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks.serving.app import MEMORY
from benchmarks.serving.clients import Tally
from benchmarks.serving.watch import Watch

Column = dict[str, str]


def column(watch: Watch, tally: Tally, survived: bool, left: list[Path], after: list[Path], log: int) -> Column:
    """Format the figures of one app. left: files before it stopped. after: files after. log: bytes."""
    jobs = tally.outcomes
    failures = "; ".join(f"{count} x {why}" for why, count in tally.failures.most_common(3))
    return {
        "runs to the end": "yes" if survived else "**no**",
        "/health, p99 and longest (aim: below 1 s)": _waits(watch.waits),
        "memory, second third to last (aim: within 5 %)": _growth(watch.memory),
        f"memory at the peak, MB of {MEMORY / 1e6:.0f}": f"{max(size for _, size in watch.memory) / 1e6:.0f}",
        "temporary files left, running and stopped (aim: 0)": f"{len(left)}, {len(after)}",
        "log, kB": f"{log / 1e3:.0f}",
        "requests of honest clients: done": str(jobs["done"]),
        "refused with a sentence": str(jobs["refused"]),
        "failed (aim: 0)": f"{jobs['failed']} ({failures})" if failures else "0",
        "attacks": str(tally.attacks.total()),
    }


def table(columns: Mapping[str, Column]) -> str:
    """Format the columns as a Markdown table."""
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    rows = next(iter(columns.values()))
    lines += [f"| {name} | {' | '.join(one[name] for one in columns.values())} |" for name in rows]
    return "\n".join(lines)


def _waits(waits: list[float]) -> str:
    return f"{np.percentile(waits, 99):.2f} s, {max(waits):.2f} s"


def _growth(memory: list[tuple[float, int]]) -> str:
    """Compare the mean over the last third of the time with that over the second."""
    end = memory[-1][0]
    second, last = (
        float(np.mean([size for at, size in memory if first <= at / end <= first + 1 / 3])) for first in (1 / 3, 2 / 3)
    )
    return f"{second / 1e6:.0f} to {last / 1e6:.0f} MB ({last / second - 1:+.1%})"
