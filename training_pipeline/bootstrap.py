"""Bootstrap intervals of means over pictures: B. Efron, "Bootstrap methods", Annals of Statistics 7(1), 1979."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000
SEED = 0

Interval = tuple[float, float]


def interval(values: Sequence[float]) -> Interval:
    """Return the 95 % percentile interval of the mean, the same at each call."""
    return _percentiles(np.asarray(values, np.float64))


def of_difference(values: Sequence[float], others: Sequence[float]) -> Interval:
    """Return the 95 % percentile interval of the mean difference of paired values; equal infinities differ by 0."""
    a, b = np.asarray(values, np.float64), np.asarray(others, np.float64)
    return _percentiles(np.subtract(a, b, out=np.zeros_like(a), where=a != b))


def _percentiles(values: NDArray[np.float64]) -> Interval:
    rng = np.random.default_rng(SEED)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(RESAMPLES)]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(means, (tail, 1 - tail), method="closest_observation")  # infinite means are not averaged
    return float(low), float(high)
