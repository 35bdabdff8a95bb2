"""The trainable form of an architecture."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training_pipeline.blocks import BLOCKS, Plain
from upscaler.model.architecture import BLOCKS as SHAPES
from upscaler.model.architecture import COLOURS, SCALE, Architecture, Weights, arrays_of
from upscaler.model.interpolation import INTERPOLATION_RADIUS, bicubic_kernel

TAIL_SCALE = 1e-3  # of the initial weights of the last layer, so that training starts from bicubic interpolation


class Network(nn.Module):
    """The trainable form of an `Architecture`: N3HW in [0, 1] to N3(2H)(2W), bicubic interpolation plus a residual.

    Borders are padded with zeros. For the engine's result, extend the input by `radius` on each side and crop
    `2 * radius` from the output. int8: round the trunk's kernels and activations as inference in int8 does.
    """

    def __init__(
        self, architecture: Architecture, branches: bool = True, dropout: float = 0.0, int8: bool = False
    ) -> None:
        super().__init__()
        self.architecture = architecture
        head, *trunk, tail = architecture.layers
        size = len(SHAPES[architecture.block])
        block = BLOCKS[architecture.block]
        self.head = Plain([head], branches)
        self.trunk = nn.ModuleList(block(trunk[:size], branches, int8) for _ in range(architecture.depth))
        self.tail = Plain([tail], branches)
        self.dropout = nn.Dropout2d(dropout)
        self.register_buffer("interpolation", torch.tensor(bicubic_kernel()), persistent=False)
        self.tail.last.assign(TAIL_SCALE * self.tail.last.merged(), self.tail.last.bias)

    @property
    def radius(self) -> int:
        """Receptive radius: input pixels on each side on which a 2x2 output depends."""
        return self.architecture.radius

    def forward(self, x: Tensor) -> Tensor:
        interpolated = self._interpolated(x)  # N(3*4)HW
        x = head = self.head(x)
        for block in self.trunk:
            x = block(x)
        if self.architecture.long_skip:
            x = x + head
        return F.pixel_shuffle(interpolated + self.tail(self.dropout(x)), SCALE)

    def collapsed(self) -> Weights:
        """Return the weights without branches, named as in an artifact with one member; with `int8`, those for int8."""
        blocks = [self.head, *self.trunk, self.tail]
        return arrays_of(layer for block in blocks for layer in cast(Plain, block).collapsed())

    def assign(self, weights: Weights) -> None:
        """Set the collapsed weights, those of as many blocks or fewer; further blocks become the identity."""
        parts = self.architecture.parts(weights)
        self.head.assign([parts.head])
        self.tail.assign([parts.tail])
        for n, block in enumerate(self.trunk):
            if n < len(parts.blocks):
                cast(Plain, block).assign(parts.blocks[n])
            else:
                cast(Plain, block).become_identity()

    def _interpolated(self, x: Tensor) -> Tensor:
        extended = F.pad(x, (INTERPOLATION_RADIUS,) * 4, mode="replicate")
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 would round the input pixels
            return F.conv2d(extended, cast(Tensor, self.interpolation), groups=COLOURS)
