"""How far a batch is from the truth, as what training makes small."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from training_pipeline.config import Loss
from upscaler.metrics import LUMA

EPSILON = 1e-3  # below this difference Charbonnier's loss is round, above it straight
SHARE_OF_LUMA = 2 / 3


def charbonnier(doubled: Tensor, truth: Tensor) -> Tensor:
    """mean sqrt(difference² + epsilon²): L1 without its corner.

    W.-S. Lai et al., "Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution", CVPR 2017.
    """
    return torch.sqrt((doubled - truth) ** 2 + EPSILON**2).mean()


def luma(doubled: Tensor, truth: Tensor) -> Tensor:
    """L1 of the colours and, weighing twice as much, of their luma: people see detail there, and PSNR is of it.

    Photos come as JPEGs whose chroma has half of the pixels each way, so there is less to learn from it.
    """
    difference = doubled - truth
    weights = torch.tensor(LUMA, device=difference.device) / sum(LUMA)
    of_luma = torch.einsum("c,nchw->nhw", weights, difference)
    return (1 - SHARE_OF_LUMA) * difference.abs().mean() + SHARE_OF_LUMA * of_luma.abs().mean()


LOSSES: dict[Loss, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "charbonnier": charbonnier, "luma": luma}
