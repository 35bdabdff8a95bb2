"""What moves the weights: AdamW, or Muon for the 3x3 kernels with AdamW for the rest."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from training_pipeline.config import Optimiser

BETAS = (0.9, 0.99)  # of AdamW
MOMENTUM, TURNS = 0.95, 5  # of Muon
QUINTIC = (3.4445, -4.7750, 2.0315)
SIZE_OF_ADAMW = 0.2  # root mean square of AdamW's steps, in learning rates


def make(name: Optimiser, network: nn.Module, learning_rate: float, weight_decay: float) -> dict[str, Optimizer]:
    """The optimisers that move all parameters together, by the names under which checkpoints keep them."""
    rates: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    named = dict(network.named_parameters())
    of_muon = [key for key in named if name == "muon" and key.endswith(".kernel")]
    rest = [parameter for key, parameter in named.items() if key not in of_muon]
    optimisers: dict[str, Optimizer] = {"optimiser": AdamW(rest, betas=BETAS, **rates)}
    if of_muon:
        optimisers["muon"] = Muon([named[key] for key in of_muon], **rates)
    return optimisers


class Muon(Optimizer):
    """Steps along the orthogonal matrix that is nearest to the momentum, a kernel OI33 being a matrix of O rows.

    K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. Steps are as large as AdamW's at
    the same learning rate: J. Liu et al., "Muon is Scalable for LLM Training", arXiv:2502.16982, 2025. torch's Muon
    takes matrices alone and computes in bfloat16, which takes 65 times as long where the processor has none.
    """

    def __init__(self, kernels: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(kernels, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the kernels by their gradients."""
        for group in self.param_groups:
            for kernel in group["params"]:
                state = self.state[kernel]
                if not state:
                    state["momentum"] = torch.zeros_like(kernel)
                momentum = state["momentum"]
                momentum.mul_(MOMENTUM).add_(kernel.grad)
                direction = orthogonal((kernel.grad + MOMENTUM * momentum).flatten(1))
                size = group["lr"] * SIZE_OF_ADAMW * math.sqrt(max(direction.shape))
                kernel.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction.view_as(kernel), alpha=size)


def orthogonal(matrix: Tensor) -> Tensor:
    """Roughly the nearest matrix whose singular values are all 1: but for tiny ones they come out at 0.7 to 1.2."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    a, b, c = QUINTIC
    x: Tensor = wide / (wide.norm() + 1e-7)
    for _ in range(TURNS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide is matrix else x.mT
