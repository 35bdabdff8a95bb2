"""How far a batch is from the truth, as what training makes small."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

EPSILON = 1e-3  # below this difference Charbonnier's loss is round, above it straight


def charbonnier(doubled: Tensor, truth: Tensor) -> Tensor:
    """mean sqrt(difference² + epsilon²): L1 without its corner.

    W.-S. Lai et al., "Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution", CVPR 2017.
    """
    return torch.sqrt((doubled - truth) ** 2 + EPSILON**2).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "charbonnier": charbonnier}
