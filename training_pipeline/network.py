"""The trainable network: 3x3 convolutions with re-parameterised branches, merged into one kernel at every step."""

from itertools import zip_longest
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from upscaler.model.architecture import (
    COLOURS,
    SCALE,
    Architecture,
    Layer,
    Weights,
    arrays_of,
    layers_of,
)
from upscaler.model.interpolation import INTERPOLATION_RADIUS, bicubic_kernel

INITIAL_SLOPE = 0.25  # of each PReLU
EXPANSION = 2  # channels between the 1x1 and the 3x3 of the expanding branch, for each input channel
LAST_LAYER_SCALE = 1e-3  # of the initial weights, so that training starts from bicubic interpolation

EDGES = torch.tensor(
    [
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],  # Sobel, across
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],  # Sobel, down
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],  # Laplacian
    ],
    dtype=torch.float32,
)


def deepened(weights: Weights, layers: int) -> Weights:
    """Insert `layers` identity layers before the last, in collapsed weights; the function stays the same.

    T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016.
    """
    *trunk, last = layers_of(weights)
    width = len(trunk[-1].bias)
    identity = nn.init.dirac_(torch.empty(width, width, 3, 3)).numpy()
    identity_layer = Layer(identity, np.zeros(width, np.float32), np.ones(width, np.float32))
    return arrays_of([*trunk, *[identity_layer] * layers, last])


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
    """A 3x3 convolution with zero padding; its kernel is a parameter plus optional branches."""

    def __init__(self, inputs: int, outputs: int, branches: bool) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.branches = Branches(inputs, outputs) if branches else None
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
        return F.conv2d(x, self.merged(), self.bias, padding=1)


class Network(nn.Module):
    """The trainable form of an `Architecture`: N3HW in [0, 1] to N3(2H)(2W), bicubic interpolation plus a residual.

    Borders are padded with zeros. For the engine's result, extend the input by `radius` on each side and crop
    `2 * radius` from the output.
    """

    def __init__(self, architecture: Architecture, branches: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture = architecture
        layers = list(architecture.layers)
        self.convolutions = nn.ModuleList(Convolution(i, o, branches) for i, o in layers)
        self.activations = nn.ModuleList(nn.PReLU(outputs, INITIAL_SLOPE) for _, outputs in layers[:-1])
        self.dropout = nn.Dropout2d(dropout)
        self.register_buffer("interpolation", torch.tensor(bicubic_kernel()), persistent=False)
        last = cast(Convolution, self.convolutions[-1])
        last.assign(LAST_LAYER_SCALE * last.merged(), last.bias)

    @property
    def radius(self) -> int:
        """Receptive radius: input pixels on each side on which a 2x2 output depends."""
        return self.architecture.radius

    def forward(self, x: Tensor) -> Tensor:
        interpolated = self._interpolated(x)  # N(3*4)HW
        for convolution, activation in zip(self.convolutions, self.activations, strict=False):
            x = activation(convolution(x))
        return F.pixel_shuffle(interpolated + self.convolutions[-1](self.dropout(x)), SCALE)

    def collapsed(self) -> Weights:
        """Return the weights without branches, named as in an artifact with one member."""
        pairs = zip_longest(self.convolutions, self.activations)
        return arrays_of(_collapsed(convolution, activation) for convolution, activation in pairs)

    @torch.no_grad()
    def assign(self, weights: Weights) -> None:
        """Set the collapsed weights; the branches keep their parameters."""
        layers = layers_of(weights)
        for convolution, layer in zip(self.convolutions, layers, strict=True):
            cast(Convolution, convolution).assign(torch.tensor(layer.kernel), torch.tensor(layer.bias))
        for activation, layer in zip(self.activations, layers, strict=False):
            cast(nn.PReLU, activation).weight.copy_(torch.tensor(layer.slope))

    def _interpolated(self, x: Tensor) -> Tensor:
        extended = F.pad(x, (INTERPOLATION_RADIUS,) * 4, mode="replicate")
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would round the input pixels
            return F.conv2d(extended, cast(Tensor, self.interpolation), groups=COLOURS)


def _collapsed(convolution: nn.Module, activation: nn.Module | None) -> Layer:
    kernel, bias = cast(Convolution, convolution).merged(), cast(Convolution, convolution).bias
    return Layer(_numpy(kernel), _numpy(bias), _numpy(cast(nn.PReLU, activation).weight) if activation else None)


def _numpy(array: Tensor) -> NDArray[np.float32]:
    return array.detach().cpu().numpy().copy()
