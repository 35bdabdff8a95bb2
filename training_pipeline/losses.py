"""Training losses."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from training_pipeline.config import Loss
from upscaler.metrics import LUMA

EPSILON = 1e-3  # the Charbonnier loss is quadratic below this difference, linear above
SHARE_OF_LUMA = 2 / 3


def charbonnier(output: Tensor, truth: Tensor) -> Tensor:
    """Return mean sqrt(difference² + epsilon²), a smooth L1 loss.

    W.-S. Lai et al., "Deep Laplacian Pyramid Networks for Fast and Accurate Super-Resolution", CVPR 2017.
    """
    return torch.sqrt((output - truth) ** 2 + EPSILON**2).mean()


def luma(output: Tensor, truth: Tensor) -> Tensor:
    """Return 1/3 of the L1 loss of RGB plus 2/3 of that of luma, where people see detail and PSNR (Y) is measured.

    The chroma of most photos was subsampled 2x by JPEG, so it has less detail to learn.
    """
    difference = output - truth
    weights = torch.tensor(LUMA, device=difference.device) / sum(LUMA)
    of_luma = torch.einsum("c,nchw->nhw", weights, difference)
    return (1 - SHARE_OF_LUMA) * difference.abs().mean() + SHARE_OF_LUMA * of_luma.abs().mean()


LOSSES: dict[Loss, Callable[[Tensor, Tensor], Tensor]] = {"l1": F.l1_loss, "charbonnier": charbonnier, "luma": luma}
