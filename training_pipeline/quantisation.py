"""Simulated int8 inference in training: what rounding does to kernels and activations, with gradients through it.

Rounding has the gradient of the identity (straight-through estimator). The ends of the activations' ranges are learned
as logarithms: S. Jain et al., "Trained Quantization Thresholds for Accurate and Efficient Fixed-Point Inference of Deep
Neural Networks", MLSys 2020.
"""

from typing import cast

import torch
from torch import Tensor, nn

from upscaler.model.architecture import ACTIVATION_LEVELS, KERNEL_LEVEL, LEAST_STEP

SMALLEST_END = 1e-3  # of a calibrated range, so that its logarithm is finite


class ActivationRange(nn.Module):
    """Rounds activations to 256 levels, `step` apart, of which level `zero` means 0; both ends are learned."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = nn.Parameter(torch.zeros(2))  # logarithms of minus the lowest value and of the highest

    def grid(self) -> tuple[Tensor, Tensor]:
        """Return the step and the level that means 0, a whole number."""
        below, above = self.ends.float().exp()
        step = (below + above) / (ACTIVATION_LEVELS - 1)
        return step, _rounded(below / step)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would round the levels
            step, zero = self.grid()
            levels = _rounded(x.float() / step + zero).clamp(0, ACTIVATION_LEVELS - 1)
            return (levels - zero) * step


@torch.no_grad()
def calibrate(network: nn.Module, x: Tensor) -> None:
    """Set all ranges of a network to the least and the greatest activation for an input, N3HW."""
    ranges = [part for part in network.modules() if isinstance(part, ActivationRange)]
    hooks = [one.register_forward_pre_hook(_set_ends) for one in ranges]
    network(x)
    for hook in hooks:
        hook.remove()


def kernel_scale(kernel: Tensor) -> Tensor:
    """Return the step between two levels of a kernel OI33 for each output channel, O."""
    greatest = kernel.detach().abs().amax(dim=(1, 2, 3))
    return (greatest / KERNEL_LEVEL).clamp(min=LEAST_STEP)


def rounded_kernel(kernel: Tensor) -> Tensor:
    """Round a kernel OI33 to its levels."""
    with torch.autocast(kernel.device.type, enabled=False):
        scale = kernel_scale(kernel)[:, None, None, None]
        return _rounded(kernel / scale) * scale


def _set_ends(one: nn.Module, inputs: tuple[Tensor]) -> None:
    low, high = inputs[0].float().aminmax()
    cast(ActivationRange, one).ends.copy_(torch.stack([-low, high]).clamp(min=SMALLEST_END).log())


def _rounded(x: Tensor) -> Tensor:
    """Round with the gradient of the identity."""
    return x + (x.round() - x).detach()
