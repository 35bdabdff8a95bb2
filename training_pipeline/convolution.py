"""The trainable 3x3 convolution, with re-parameterised branches that are merged into one kernel at every step."""

from typing import Any, cast

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from training_pipeline.quantisation import ActivationRange, kernel_scale, rounded_kernel
from upscaler.model.architecture import Layer

INITIAL_SLOPE = 0.25  # of each PReLU
EXPANSION = 2  # channels between the 1x1 and the 3x3 of the expanding branch, for each input channel

EDGES = torch.tensor(
    [
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],  # Sobel, across
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],  # Sobel, down
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],  # Laplacian
    ],
    dtype=torch.float32,
)


class Branches(nn.Module):
    """The branches of a 3x3 kernel in training: a 1x1, an expanding 1x1 before a 3x3, and 1x1s before edge filters.

    X. Zhang, H. Zeng, L. Zhang, "Edge-oriented Convolution Block for Real-time Super Resolution on Mobile Devices"
    (ECBSR), ACM Multimedia 2021. No branch has a bias inside, so that the sum is exact at the borders too.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        hidden = EXPANSION * inputs
        self.point = nn.Parameter(torch.empty(outputs, inputs))
        self.expand = nn.Parameter(torch.empty(hidden, inputs))
        self.squeeze = nn.Parameter(torch.empty(outputs, hidden, 3, 3))
        self.edge_inputs = nn.Parameter(torch.empty(len(EDGES), outputs, inputs))
        self.edge_scales = nn.Parameter(torch.empty(len(EDGES), outputs))
        self.register_buffer("edges", EDGES, persistent=False)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=(9 * inputs) ** -0.5)

    def forward(self) -> Tensor:
        """Return the sum of the branches as one kernel, OI33."""
        edges = cast(Tensor, self.edges)
        kernel = torch.einsum("mi,omyx->oiyx", self.expand, self.squeeze)
        kernel = kernel + torch.einsum("fo,foi,fyx->oiyx", self.edge_scales, self.edge_inputs, edges)
        return kernel + F.pad(self.point[:, :, None, None], (1, 1, 1, 1))


class Convolution(nn.Module):
    """A 3x3 convolution with zero padding; its kernel is a parameter plus optional branches.

    int8: round kernel and input as inference in int8 does.
    """

    def __init__(self, inputs: int, outputs: int, branches: bool, int8: bool = False) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.branches = Branches(inputs, outputs) if branches else None
        self.range = ActivationRange() if int8 else None
        initial = nn.init.kaiming_normal_(torch.empty_like(self.kernel), a=INITIAL_SLOPE)
        self.assign(initial, self.bias)

    def merged(self) -> Tensor:
        """Return the merged kernel, OI33; gradients reach every branch."""
        if self.branches is None:
            return self.kernel
        with torch.autocast(self.kernel.device.type, enabled=False):
            return self.kernel + cast(Tensor, self.branches())

    @torch.no_grad()
    def assign(self, kernel: Tensor, bias: Tensor) -> None:
        """Set the merged kernel, branches included, and the bias."""
        self.kernel.copy_(kernel)
        self.kernel.add_(kernel - self.merged())
        self.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.merged()
        if self.range is not None:
            x, kernel = self.range(x), rounded_kernel(kernel)
        return F.conv2d(x, kernel, self.bias, padding=1)

    @torch.no_grad()
    def collapsed(self) -> Layer:
        """Return the arrays without branches, in int8 if it rounds."""
        kernel, bias = self.merged(), as_array(self.bias)
        if self.range is None:
            return Layer(as_array(kernel), bias)
        scale, (step, zero) = kernel_scale(kernel), self.range.grid()
        levels = (kernel / scale[:, None, None, None]).round()
        return Layer(
            as_array(levels.to(torch.int8)),
            bias,
            scale=as_array(scale),
            step=as_array(step[None]),
            zero=as_array(zero[None].to(torch.uint8)),
        )


def as_array(tensor: Tensor) -> NDArray[Any]:
    """Copy a tensor into an array."""
    return tensor.detach().cpu().numpy().copy()
