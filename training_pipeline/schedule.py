"""How large each step is."""

import math

WARM_UP = 0.02  # share of the run
LAST = 0.01  # of the peak, at the end


def learning_rate(peak: float, progress: float) -> float:
    """The learning rate when `progress` (0 to 1) of the run is done: a linear warm-up, then half a cosine."""
    if progress < WARM_UP:
        return peak * (LAST + (1 - LAST) * progress / WARM_UP)
    annealed = min(1.0, (progress - WARM_UP) / (1 - WARM_UP))
    return peak * (LAST + (1 - LAST) * 0.5 * (1 + math.cos(math.pi * annealed)))
