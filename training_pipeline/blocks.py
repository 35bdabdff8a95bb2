"""Trainable blocks of a network's trunk, one class for each kind."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training_pipeline.convolution import INITIAL_SLOPE, Convolution, as_array
from upscaler.model.architecture import Block, Layer, LayerShape

LAST_SCALE = 0.1  # of the initial weights of the last convolution beside a skip, so that blocks start near the identity


class Plain(nn.Module):
    """Convolutions in a row, each with a PReLU after it if its shape has one."""

    def __init__(self, shapes: Sequence[LayerShape], branches: bool, int8: bool = False) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(
            Convolution(shape.inputs, shape.outputs, branches, int8 and shape.hidden) for shape in shapes
        )
        self.activations = nn.ModuleList(
            nn.PReLU(shape.outputs, INITIAL_SLOPE) if "slope" in shape.extras else nn.Identity() for shape in shapes
        )

    @property
    def last(self) -> Convolution:
        """The last convolution."""
        return cast(Convolution, self.convolutions[-1])

    def forward(self, x: Tensor) -> Tensor:
        for convolution, activation in zip(self.convolutions, self.activations, strict=True):
            x = activation(convolution(x))
        return x

    def collapsed(self) -> list[Layer]:
        """Return the arrays without branches."""
        return [
            cast(Convolution, one).collapsed()._replace(slope=_slope(activation))
            for one, activation in zip(self.convolutions, self.activations, strict=True)
        ]

    @torch.no_grad()
    def assign(self, layers: Sequence[Layer]) -> None:
        """Set the collapsed arrays; branches keep their parameters."""
        for convolution, activation, layer in zip(self.convolutions, self.activations, layers, strict=True):
            cast(Convolution, convolution).assign(torch.tensor(layer.kernel), torch.tensor(layer.bias))
            if layer.slope is not None:
                cast(nn.PReLU, activation).weight.copy_(torch.tensor(layer.slope))

    @torch.no_grad()
    def become_identity(self) -> None:
        """Set the arrays so that the output is the input.

        T. Chen, I. Goodfellow, J. Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016.
        """
        for convolution, activation in zip(self.convolutions, self.activations, strict=True):
            kernel, bias = cast(Convolution, convolution).kernel, cast(Convolution, convolution).bias
            cast(Convolution, convolution).assign(nn.init.dirac_(torch.empty_like(kernel)), torch.zeros_like(bias))
            cast(nn.PReLU, activation).weight.fill_(1.0)


class Residual(Plain):
    """Convolutions in a row and a skip over them."""

    def __init__(self, shapes: Sequence[LayerShape], branches: bool, int8: bool = False) -> None:
        super().__init__(shapes, branches, int8)
        self.last.assign(LAST_SCALE * self.last.merged(), self.last.bias)

    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)

    @torch.no_grad()
    def become_identity(self) -> None:
        """Set the last convolution to zero."""
        self.last.assign(torch.zeros_like(self.last.kernel), torch.zeros_like(self.last.bias))


class Gated(Residual):
    """Convolutions in a row, a skip over them, and a product with a linear gate, which starts as 1."""

    def __init__(self, shapes: Sequence[LayerShape], branches: bool, int8: bool = False) -> None:
        super().__init__(shapes, branches, int8)
        self.gain = nn.Parameter(torch.zeros(shapes[-1].outputs))
        self.offset = nn.Parameter(torch.ones(shapes[-1].outputs))

    def forward(self, x: Tensor) -> Tensor:
        z = Plain.forward(self, x)
        gate = self.gain[:, None, None] * z + self.offset[:, None, None]
        return (x + z) * gate

    def collapsed(self) -> list[Layer]:
        """Return the arrays without branches."""
        *first, last = super().collapsed()
        return [*first, last._replace(gain=as_array(self.gain), offset=as_array(self.offset))]

    @torch.no_grad()
    def assign(self, layers: Sequence[Layer]) -> None:
        """Set the collapsed arrays; branches keep their parameters."""
        super().assign(layers)
        for parameter, array in zip((self.gain, self.offset), layers[-1].gate, strict=True):
            parameter.copy_(torch.tensor(array))


BLOCKS: dict[Block, type[Plain]] = {"plain": Plain, "residual": Residual, "gated": Gated, "gated4": Gated}


def _slope(activation: nn.Module) -> NDArray[np.float32] | None:
    return as_array(activation.weight) if isinstance(activation, nn.PReLU) else None
