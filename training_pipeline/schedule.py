"""Learning-rate schedules: linear warm-up, then cosine decay, or a constant rate and a decay at the end (WSD)."""

import math

from training_pipeline.config import Schedule

WARM_UP = 0.02  # share of the run
DECAY = 0.2  # share of the run, of WSD
FINAL = 0.01  # of the peak, at the start and at the end


def learning_rate(schedule: Schedule, peak: float, progress: float) -> float:
    """Return the learning rate at `progress`, 0 to 1, of the run.

    Of WSD: A. Hägele et al., "Scaling Laws and Compute-Optimal Training Beyond Fixed Training Durations", NeurIPS 2024.
    """
    if progress < WARM_UP:
        share = progress / WARM_UP
    elif schedule == "cosine":
        share = 0.5 * (1 + math.cos(math.pi * _between(WARM_UP, progress)))
    else:
        share = 1 - math.sqrt(_between(1 - DECAY, progress))
    return peak * (FINAL + (1 - FINAL) * share)


def is_constant(schedule: Schedule, progress: float) -> bool:
    """Return True if the rate has not begun to decay after the warm-up, so that the run may still become longer."""
    return schedule == "wsd" and WARM_UP <= progress <= 1 - DECAY


def _between(start: float, progress: float) -> float:
    """Return the share of the way from `start` to the end of the run."""
    return min(1.0, max(0.0, progress - start) / (1 - start))
