"""Network architecture: blocks of 3x3 convolutions at low resolution and one pixel shuffle, declared as data.

The only module that spells array names of the weights.
"""

from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Array = NDArray[np.float32]
Weights = dict[str, Array]  # networks.N.layers.I.weight (OI33), .bias (O); some also .slope, .gain, .offset (O)
Shape = tuple[int, ...]

SCALE = 2
COLOURS = 3
# Far above what runs on a CPU; bounds for untrusted configs. The depth is also the most convolutions of a trunk
MAX_WIDTH, MAX_DEPTH = 256, 128

Block = Literal["plain", "residual", "gated"]

_KINDS = ("weight", "bias", "slope", "gain", "offset")
_NONE: tuple[str, ...] = ()
_PRELU, _GATE = ("slope",), ("gain", "offset")
# Arrays of each convolution of a block, besides its kernel and its bias
BLOCKS: dict[Block, tuple[tuple[str, ...], ...]] = {
    "plain": (_PRELU,),
    "residual": (_PRELU, _NONE),
    "gated": (_PRELU, _PRELU, _GATE),
}


class Layer(NamedTuple):
    """Arrays of one 3x3 convolution, of the PReLU after it, and of the gate of a block that it ends (None: absent)."""

    kernel: Array  # OI33
    bias: Array  # O
    slope: Array | None = None  # O
    gain: Array | None = None  # O
    offset: Array | None = None  # O

    @property
    def gate(self) -> tuple[Array, Array]:
        """Gain and offset of a layer that has them."""
        assert self.gain is not None
        assert self.offset is not None
        return self.gain, self.offset


class LayerShape(NamedTuple):
    """Channels of one 3x3 convolution, and names of its arrays besides the kernel and the bias."""

    inputs: int
    outputs: int
    extras: tuple[str, ...]


class Parts(NamedTuple):
    """The layers of a network: before the trunk, of each block of the trunk, and after it."""

    head: Layer
    blocks: list[list[Layer]]
    tail: Layer


class Architecture(BaseModel):
    """Width and depth of a network, and the kind of its blocks.

    The first layer, the head, maps 3 colours to `width` channels; a trunk of `depth` blocks keeps the width; the last
    layer, the tail, maps to 3 x 4 channels, which the pixel shuffle rearranges into 2x2 pixels. Of an input x, a block
    computes, with z as the output of its 3x3 convolutions and a PReLU between two of them:

    plain: z of one convolution, with a PReLU after it and after the head.
    residual: x + z, two convolutions.
    gated: (x + z)(gain z + offset), three convolutions; gain and offset have one value for each channel.

    All trunks but plain ones have a long skip: the tail gets the sum of the head's and the trunk's output.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[int, Field(ge=1, le=MAX_WIDTH)]
    depth: Annotated[int, Field(ge=1, le=MAX_DEPTH)]
    # Not written for plain trunks, so that earlier versions read them
    block: Annotated[Block, Field(exclude_if=lambda block: block == "plain")] = "plain"

    @model_validator(mode="after")
    def _check_convolutions(self) -> "Architecture":
        if self.trunk_radius > MAX_DEPTH:
            raise ValueError(f"its trunk has {self.trunk_radius} convolutions, more than the limit of {MAX_DEPTH}")
        return self

    def __str__(self) -> str:
        """Spell the size as in `--size`, such as 48x8 or 48x6-gated."""
        return f"{self.width}x{self.depth}" + ("" if self.block == "plain" else f"-{self.block}")

    @property
    def long_skip(self) -> bool:
        """True if the head's output is added to the trunk's."""
        return self.block != "plain"

    @property
    def layers(self) -> Iterator[LayerShape]:
        """Shape of each 3x3 convolution, first to last."""
        yield LayerShape(COLOURS, self.width, _NONE if self.long_skip else _PRELU)
        for _ in range(self.depth):
            for extras in BLOCKS[self.block]:
                yield LayerShape(self.width, self.width, extras)
        yield LayerShape(self.width, COLOURS * SCALE**2, _NONE)

    @property
    def radius(self) -> int:
        """Radius of the receptive field in LR pixels: the halo that a window needs on each side."""
        return self.trunk_radius + 2

    @property
    def trunk_radius(self) -> int:
        """Radius of the trunk's receptive field: one for each of its convolutions."""
        return self.depth * len(BLOCKS[self.block])

    @property
    def multiplications(self) -> int:
        """Multiply-accumulate operations of the 3x3 convolutions per LR pixel."""
        return sum(9 * layer.inputs * layer.outputs for layer in self.layers)

    def shapes(self, networks: int) -> dict[str, Shape]:
        """Return the shapes of the arrays of `networks` networks, by name."""
        return {
            _name(network, i, kind): (layer.outputs, layer.inputs, 3, 3) if kind == "weight" else (layer.outputs,)
            for network in range(networks)
            for i, layer in enumerate(self.layers)
            for kind in ("weight", "bias", *layer.extras)
        }

    def parts(self, weights: Weights, network: int = 0) -> Parts:
        """Extract the layers of one network from the arrays of all networks, by their place in it."""
        head, *trunk, tail = layers_of(weights, network)
        size = len(BLOCKS[self.block])
        return Parts(head, [trunk[i : i + size] for i in range(0, len(trunk), size)], tail)


def layers_of(weights: Weights, network: int = 0) -> list[Layer]:
    """Extract the layers of one network, first to last, from the arrays of all networks."""
    numbers = takewhile(lambda i: _name(network, i, "weight") in weights, count())
    return [Layer(*(weights.get(_name(network, i, kind)) for kind in _KINDS)) for i in numbers]  # type: ignore[arg-type]


def arrays_of(layers: Iterable[Layer], network: int = 0) -> Weights:
    """Name the arrays of one network's layers, first to last, as in an artifact."""
    return {
        _name(network, i, kind): array
        for i, layer in enumerate(layers)
        for kind, array in zip(_KINDS, layer, strict=True)
        if array is not None
    }


def _name(network: int, layer: int, kind: str) -> str:
    return f"networks.{network}.layers.{layer}.{kind}"
