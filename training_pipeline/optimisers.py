"""Optimisers: AdamW, or Muon for the 3x3 kernels of the trunk with AdamW for the rest."""

import math
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from training_pipeline.config import Optimiser
from training_pipeline.network import Network

BETAS = (0.9, 0.99)  # of AdamW
MOMENTUM, ITERATIONS = 0.95, 5  # of Muon
QUINTIC = (3.4445, -4.7750, 2.0315)  # coefficients of the Newton-Schulz iteration
ADAMW_RMS = 0.2  # RMS of AdamW's steps, in learning rates


def make(name: Optimiser, network: Network, learning_rate: float, weight_decay: float) -> dict[str, Optimizer]:
    """Return the optimisers of all parameters, by their names in checkpoints.

    Weights decay; biases, slopes and gates, which have one value for each channel, do not.
    """
    rates: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    named = dict(network.named_parameters())
    of_muon = {key: one for key, one in named.items() if name == "muon" and is_hidden_kernel(key)}
    rest = [parameter for key, parameter in named.items() if key not in of_muon]
    groups: list[dict[str, Any]] = [
        {"params": [parameter for parameter in rest if parameter.ndim > 1]},
        {"params": [parameter for parameter in rest if parameter.ndim == 1], "weight_decay": 0.0},
    ]
    optimisers: dict[str, Optimizer] = {"optimiser": AdamW(groups, betas=BETAS, fused=rest[0].is_cuda, **rates)}
    if of_muon:
        optimisers["muon"] = Muon(list(of_muon.values()), **rates)
    return optimisers


def is_hidden_kernel(name: str) -> bool:
    """Return True if a parameter of a `Network` is a 3x3 kernel of its trunk."""
    return name.startswith("trunk.") and name.endswith(".kernel")


class Muon(Optimizer):
    """Muon: momentum steps, orthogonalised, for kernels OI33 of one shape, taken as matrices of O rows.

    K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. The step size matches AdamW's at
    the same learning rate: J. Liu et al., "Muon is Scalable for LLM Training", arXiv:2502.16982, 2025. torch's Muon
    supports only matrices, and bfloat16, which is 65 times slower on a processor without it.
    """

    def __init__(self, kernels: list[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(kernels, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the kernels from their gradients."""
        for group in self.param_groups:
            kernels = group["params"]
            directions = orthogonal(torch.stack(self._directions(kernels)).flatten(2))
            size = group["lr"] * ADAMW_RMS * math.sqrt(max(directions.shape[1:]))
            torch._foreach_mul_(kernels, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_sub_(kernels, [*directions.view(-1, *kernels[0].shape)], alpha=size)

    def _directions(self, kernels: list[nn.Parameter]) -> list[Tensor]:
        """Return the gradients plus the momenta, which take them in; all kernels at once, as a GPU waits otherwise."""
        gradients = [cast(Tensor, kernel.grad) for kernel in kernels]
        for kernel in kernels:
            if kernel not in self.state:
                self.state[kernel]["momentum"] = torch.zeros_like(kernel)
        momenta: list[Tensor] = [self.state[kernel]["momentum"] for kernel in kernels]
        torch._foreach_mul_(momenta, MOMENTUM)
        torch._foreach_add_(momenta, gradients)
        return [*torch._foreach_add(gradients, momenta, alpha=MOMENTUM)]


def orthogonal(matrices: Tensor) -> Tensor:
    """Approximate the nearest orthogonal matrices, ...MN: singular values become 0.7 to 1.2, except tiny ones."""
    wide = matrices if matrices.shape[-2] <= matrices.shape[-1] else matrices.mT
    a, b, c = QUINTIC
    x: Tensor = wide / (wide.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide is matrices else x.mT
