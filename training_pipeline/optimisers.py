"""What moves the weights: AdamW, or Muon for the 3x3 kernels with AdamW for the rest."""

from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Muon, Optimizer

NAMES = ("adamw", "muon")
BETAS = (0.9, 0.99)


def make(name: str, network: nn.Module, learning_rate: float, weight_decay: float) -> dict[str, Optimizer]:
    """The optimisers that move all parameters together, by the names under which checkpoints keep them."""
    rates: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    named = dict(network.named_parameters())
    kernels = [parameter for key, parameter in named.items() if name == "muon" and key.endswith(".kernel")]
    of_muon = {id(kernel) for kernel in kernels}
    rest = [parameter for parameter in named.values() if id(parameter) not in of_muon]
    optimisers: dict[str, Optimizer] = {"optimiser": AdamW(rest, betas=BETAS, **rates)}
    if kernels:
        optimisers["muon"] = KernelMuon(kernels, **rates)
    return optimisers


class KernelMuon(Muon):
    """Muon for kernels, OI33, each taken as a matrix of O rows, because torch's Muon takes matrices alone.

    Its steps are as large as AdamW's at the same learning rate. K. Jordan et al., "Muon: An optimizer for hidden
    layers in neural networks", 2024; the size of the steps is from J. Liu et al., "Muon is Scalable for LLM Training",
    arXiv:2502.16982, 2025.
    """

    def __init__(self, kernels: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        self._kernels = kernels
        self._matrices = [kernel.detach().flatten(1).clone() for kernel in kernels]
        super().__init__(self._matrices, lr=lr, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the kernels by their gradients."""
        pairs = list(zip(self._kernels, self._matrices, strict=True))
        for kernel, matrix in pairs:
            assert kernel.grad is not None
            matrix.copy_(kernel.flatten(1))
            matrix.grad = kernel.grad.flatten(1)
        super().step(closure)  # type: ignore[no-untyped-call]
        for kernel, matrix in pairs:
            kernel.copy_(matrix.view_as(kernel))
