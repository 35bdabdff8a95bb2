"""The network as it is trained: branches beside every 3x3 convolution, merged into one kernel at every step."""

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

FIRST_SLOPE = 0.25  # of each PReLU
EXPANSION = 2  # channels between the 1x1 and the 3x3 of the expanding branch, for each channel that goes in
LAST_LAYER_SCALE = 1e-3  # of the first weights, so that training begins at the plain interpolation

EDGES = torch.tensor(
    [
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],  # Sobel, across
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],  # Sobel, down
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],  # Laplacian
    ],
    dtype=torch.float32,
)


def deepened(weights: Weights, layers: int) -> Weights:
    """The collapsed weights of an equal network with so many layers more, before the last; each passes on what it gets.

    T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016.
    """
    *trunk, last = layers_of(weights)
    width = len(trunk[-1].bias)
    identity = nn.init.dirac_(torch.empty(width, width, 3, 3)).numpy()
    passing = Layer(identity, np.zeros(width, np.float32), np.ones(width, np.float32))
    return arrays_of([*trunk, *[passing] * layers, last])


class Branches(nn.Module):
    """What is added to a 3x3 kernel while training: a 1x1, a 1x1 that widens before a 3x3, and edge filters after 1x1s.

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
        """The sum of the branches as one kernel, OI33."""
        edges = cast(Tensor, self.edges)
        kernel = torch.einsum("mi,omyx->oiyx", self.expand, self.squeeze)
        kernel = kernel + torch.einsum("fo,foi,fyx->oiyx", self.edge_scales, self.edge_inputs, edges)
        return kernel + F.pad(self.point[:, :, None, None], (1, 1, 1, 1))


class Convolution(nn.Module):
    """A 3x3 convolution with zero padding whose kernel is a parameter plus, if wanted, its branches."""

    def __init__(self, inputs: int, outputs: int, branches: bool) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.branches = Branches(inputs, outputs) if branches else None
        first = nn.init.kaiming_normal_(torch.empty_like(self.kernel), a=FIRST_SLOPE)
        self.assign(first, self.bias)

    def merged(self) -> Tensor:
        """The one kernel, OI33, that this convolution is; gradients reach every branch."""
        if self.branches is None:
            return self.kernel
        with torch.autocast(self.kernel.device.type, enabled=False):
            return self.kernel + cast(Tensor, self.branches())

    @torch.no_grad()
    def assign(self, kernel: Tensor, bias: Tensor) -> None:
        """Become the convolution with this kernel, branches counted."""
        self.kernel.copy_(kernel)
        self.kernel.add_(kernel - self.merged())
        self.bias.copy_(bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.merged(), self.bias, padding=1)


class Network(nn.Module):
    """The trainable form of an `Architecture`: N3HW in [0, 1] to N3(2H)(2W), interpolation plus what it learned.

    Borders are padded with zeros. The picture that the engine makes is had by extending the input by `radius`
    on each side and leaving out `2 * radius` of the result.
    """

    def __init__(self, architecture: Architecture, branches: bool = True, dropout: float = 0.0) -> None:
        super().__init__()
        self.architecture = architecture
        layers = list(architecture.layers)
        self.convolutions = nn.ModuleList(Convolution(i, o, branches) for i, o in layers)
        self.activations = nn.ModuleList(nn.PReLU(outputs, FIRST_SLOPE) for _, outputs in layers[:-1])
        self.dropout = nn.Dropout2d(dropout)
        self.register_buffer("interpolation", torch.tensor(bicubic_kernel()), persistent=False)
        last = cast(Convolution, self.convolutions[-1])
        last.assign(LAST_LAYER_SCALE * last.merged(), last.bias)

    @property
    def radius(self) -> int:
        """Pixels on each side of an input pixel on which its 2x2 result depends."""
        return self.architecture.radius

    def forward(self, x: Tensor) -> Tensor:
        interpolated = self._interpolated(x)  # N(3*4)HW
        for convolution, activation in zip(self.convolutions, self.activations, strict=False):
            x = activation(convolution(x))
        return F.pixel_shuffle(interpolated + self.convolutions[-1](self.dropout(x)), SCALE)

    def collapsed(self) -> Weights:
        """The weights of the plain network that this one equals, named as in an artifact with one member."""
        pairs = zip_longest(self.convolutions, self.activations)
        return arrays_of(_collapsed(convolution, activation) for convolution, activation in pairs)

    @torch.no_grad()
    def assign(self, weights: Weights) -> None:
        """Become the network with these collapsed weights; the branches stay as they are, and alive."""
        layers = layers_of(weights)
        for convolution, layer in zip(self.convolutions, layers, strict=True):
            cast(Convolution, convolution).assign(torch.tensor(layer.kernel), torch.tensor(layer.bias))
        for activation, layer in zip(self.activations, layers, strict=False):
            cast(nn.PReLU, activation).weight.copy_(torch.tensor(layer.slope))

    def _interpolated(self, x: Tensor) -> Tensor:
        extended = F.pad(x, (INTERPOLATION_RADIUS,) * 4, mode="replicate")
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would round the picture itself
            return F.conv2d(extended, cast(Tensor, self.interpolation), groups=COLOURS)


def _collapsed(convolution: nn.Module, activation: nn.Module | None) -> Layer:
    kernel, bias = cast(Convolution, convolution).merged(), cast(Convolution, convolution).bias
    return Layer(_numpy(kernel), _numpy(bias), _numpy(cast(nn.PReLU, activation).weight) if activation else None)


def _numpy(array: Tensor) -> NDArray[np.float32]:
    return array.detach().cpu().numpy().copy()
