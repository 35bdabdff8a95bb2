"""Network architecture: blocks of 3x3 convolutions at low resolution and one pixel shuffle, declared as data.

The only module that spells array names of the weights.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, takewhile
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

Array = NDArray[np.float32]
# networks.N.layers.I.weight (OI33), .bias (O); some also .slope, .gain, .offset (O); all float32. In int8, the kernels
# of the trunk are levels (int8), with .scale (O), .step (1) and .zero (1, uint8) beside them
Weights = dict[str, NDArray[Any]]
Shape = tuple[int, ...]
Layout = dict[str, tuple[str, Shape]]  # numpy's name of the type, and shape, of arrays by name

SCALE = 2
COLOURS = 3
# Far above what runs on a CPU; bounds for untrusted configs. The depth is also the most convolutions of a trunk
MAX_WIDTH, MAX_DEPTH = 256, 128

ACTIVATION_LEVELS = 256
# Greatest level of a kernel, in either direction. Processors without VNNI add two products in 16 bits: 2 x 255 x 64 fit
KERNEL_LEVEL = 64
LEAST_STEP, GREATEST_STEP = 1e-9, 1e9  # between two levels; far outside what networks have, within what float32 divides

Block = Literal["plain", "residual", "gated", "gated4"]

_KINDS = ("weight", "bias", "slope", "gain", "offset", "scale", "step", "zero")
_INT8 = "int8."  # before the names of the arrays in int8 in a file
_NONE: tuple[str, ...] = ()
_PRELU, _GATE = ("slope",), ("gain", "offset")
_GRID = ("scale", "step", "zero")  # of a trunk's convolution in int8
# Arrays of each convolution of a block, besides its kernel and its bias
BLOCKS: dict[Block, tuple[tuple[str, ...], ...]] = {
    "plain": (_PRELU,),
    "residual": (_PRELU, _NONE),
    "gated": (_PRELU, _PRELU, _GATE),
    "gated4": (_PRELU, _PRELU, _PRELU, _GATE),
}


class Layer(NamedTuple):
    """Arrays of one 3x3 convolution, of the PReLU after it, and of the gate of a block that it ends (None: absent)."""

    kernel: Array  # OI33; its levels if there is a scale
    bias: Array  # O
    slope: Array | None = None  # O
    gain: Array | None = None  # O
    offset: Array | None = None  # O
    scale: Array | None = None  # O, between two levels of the kernel
    step: Array | None = None  # 1, between two levels of the input, which are 0 to 255
    zero: NDArray[np.uint8] | None = None  # 1, level of the input that means 0

    @property
    def gate(self) -> tuple[Array, Array]:
        """Gain and offset of a layer that has them."""
        assert self.gain is not None
        assert self.offset is not None
        return self.gain, self.offset

    @property
    def ends(self) -> tuple[float, float] | None:
        """Least and greatest value that the input is rounded to; None if it is not rounded."""
        if self.step is None or self.zero is None:
            return None
        step, zero = self.step.item(), self.zero.item()
        return -zero * step, (ACTIVATION_LEVELS - 1 - zero) * step


class LayerShape(NamedTuple):
    """Channels of one 3x3 convolution, and names of its arrays besides the kernel and the bias.

    hidden: it belongs to the trunk, whose convolutions are those that int8 rounds.
    """

    inputs: int
    outputs: int
    extras: tuple[str, ...]
    hidden: bool = False


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
    gated4: the same, four convolutions.

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
                yield LayerShape(self.width, self.width, extras, hidden=True)
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

    def multiplications_in(self, side: int) -> int:
        """Return the multiply-accumulate operations in a window of `side` pixels a side, 2 fewer after each layer."""
        layers = enumerate(self.layers, start=1)
        return sum(9 * layer.inputs * layer.outputs * (side - 2 * n) ** 2 for n, layer in layers)

    def shapes(self, networks: int) -> dict[str, Shape]:
        """Return the shapes of the arrays of `networks` networks, by name."""
        return {name: shape for name, (_, shape) in self.layout(networks).items()}

    def layout(self, networks: int, int8: bool = False) -> Layout:
        """Return the types and shapes of the arrays of `networks` networks, by name."""
        return {
            _name(network, i, kind): (_dtype(kind, int8 and layer.hidden), _shape(kind, layer))
            for network in range(networks)
            for i, layer in enumerate(self.layers)
            for kind in ("weight", "bias", *layer.extras, *(_GRID if int8 and layer.hidden else _NONE))
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


def as_stored(weights: Weights, int8: Weights) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file: those of the float32 networks, and those of the same networks in int8."""
    return {**weights, **{_INT8 + name: array for name, array in int8.items()}}


def split(arrays: Mapping[str, NDArray[Any]]) -> tuple[Weights, Weights]:
    """Return the arrays of a file apart: those of the float32 networks, and those in int8."""
    int8 = {name.removeprefix(_INT8): array for name, array in arrays.items() if name.startswith(_INT8)}
    return {name: array for name, array in arrays.items() if not name.startswith(_INT8)}, int8


def stored_layout(architecture: Architecture, networks: int, int8: bool) -> Layout:
    """Return the types and shapes of the arrays of a file, by name. int8: it has those in int8, too."""
    layout = architecture.layout(networks)
    rounded = architecture.layout(networks, int8=True) if int8 else {}
    return layout | {_INT8 + name: array for name, array in rounded.items()}


def is_step(name: str) -> bool:
    """Return True if the values of an array are steps between levels."""
    return name.rpartition(".")[-1] in ("scale", "step")


def _dtype(kind: str, rounded: bool) -> str:
    if kind == "zero":
        return "uint8"
    return "int8" if kind == "weight" and rounded else "float32"


def _shape(kind: str, layer: LayerShape) -> Shape:
    if kind == "weight":
        return layer.outputs, layer.inputs, 3, 3
    return (1,) if kind in ("step", "zero") else (layer.outputs,)


def _name(network: int, layer: int, kind: str) -> str:
    return f"networks.{network}.layers.{layer}.{kind}"
