"""Which days stand out: the model did worse than bicubic interpolation, or far from its usual gain."""

import statistics
from enum import StrEnum

from apps.monitor.history import Row

ENOUGH = 10  # days before "usual" means anything
FAR = 3.5  # robust standard deviations: B. Iglewicz, D. C. Hoaglin, "How to detect and handle outliers", 1993
SIGMA = 1.4826  # standard deviations in one median absolute deviation of a normal distribution
NARROWEST = 0.1  # dB; closer to the usual gain than this nothing is far


class Mark(StrEnum):
    """What a day's gain is."""

    USUAL = "as usual"
    FAR = "far from the usual gain"
    WORSE = "worse than bicubic"


def marks(rows: list[Row]) -> list[Mark]:
    """A mark for each row; the rows are of one model."""
    gains = [row.gain for row in rows]
    usual = statistics.median(gains) if gains else 0.0
    spread = SIGMA * statistics.median(abs(gain - usual) for gain in gains) if gains else 0.0
    reach = max(FAR * spread, NARROWEST) if len(gains) >= ENOUGH else float("inf")
    return [_mark(gain, usual, reach) for gain in gains]


def _mark(gain: float, usual: float, reach: float) -> Mark:
    if gain < 0:
        return Mark.WORSE
    return Mark.FAR if abs(gain - usual) > reach else Mark.USUAL
