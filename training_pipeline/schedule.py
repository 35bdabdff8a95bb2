"""Learning-rate schedule: linear warm-up, cosine decay."""

import math

WARM_UP = 0.02  # share of the run
FINAL = 0.01  # of the peak, at the start and at the end


def learning_rate(peak: float, progress: float) -> float:
    """Return the learning rate at `progress`, 0 to 1, of the run."""
    if progress < WARM_UP:
        return peak * (FINAL + (1 - FINAL) * progress / WARM_UP)
    annealed = min(1.0, (progress - WARM_UP) / (1 - WARM_UP))
    return peak * (FINAL + (1 - FINAL) * 0.5 * (1 + math.cos(math.pi * annealed)))
