"""Outlier detection: days on which the model is worse than bicubic interpolation, or far from its usual gain."""

import statistics
from enum import StrEnum

from apps.monitor.history import Row

MIN_DAYS = 10  # days needed for a usual gain
THRESHOLD = 3.5  # robust standard deviations: B. Iglewicz, D. C. Hoaglin, "How to detect and handle outliers", 1993
SIGMA = 1.4826  # standard deviations per median absolute deviation of a normal distribution
MIN_DEVIATION = 0.1  # dB; smaller deviations are never outliers


class Mark(StrEnum):
    """Classification of a day's gain."""

    USUAL = "as usual"
    FAR = "far from the usual gain"
    WORSE = "worse than bicubic"


def marks(rows: list[Row]) -> list[Mark]:
    """Classify the rows of one model."""
    gains = [row.gain for row in rows]
    usual = statistics.median(gains) if gains else 0.0
    spread = SIGMA * statistics.median(abs(gain - usual) for gain in gains) if gains else 0.0
    reach = max(THRESHOLD * spread, MIN_DEVIATION) if len(gains) >= MIN_DAYS else float("inf")
    return [_mark(gain, usual, reach) for gain in gains]


def _mark(gain: float, usual: float, reach: float) -> Mark:
    if gain < 0:
        return Mark.WORSE
    return Mark.FAR if abs(gain - usual) > reach else Mark.USUAL
