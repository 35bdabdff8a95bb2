"""Network architecture: plain 3x3 convolutions at low resolution and one pixel shuffle.

The only module that spells array names of the weights.
"""

from collections.abc import Iterable, Iterator
from itertools import count, takewhile
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[np.float32]
Weights = dict[str, Array]  # networks.N.layers.I.weight (OI33), .bias (O) and .slope (O; not on the last layer)
Shape = tuple[int, ...]

SCALE = 2
COLOURS = 3
# Far above what runs on a CPU; bounds for untrusted configs
MAX_WIDTH, MAX_DEPTH = 256, 128

_KINDS = ("weight", "bias", "slope")


class Layer(NamedTuple):
    """Arrays of one 3x3 convolution and of the PReLU after it (None: no activation)."""

    kernel: Array  # OI33
    bias: Array  # O
    slope: Array | None  # O


class Architecture(BaseModel):
    """Width and depth of a network.

    The first layer maps 3 colours to `width` channels, `depth` layers keep the width, and the last maps to
    3 x 4 channels, which the pixel shuffle rearranges into 2x2 pixels. A PReLU follows each layer but the last.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[int, Field(ge=1, le=MAX_WIDTH)]
    depth: Annotated[int, Field(ge=1, le=MAX_DEPTH)]

    @property
    def layers(self) -> Iterator[tuple[int, int]]:
        """Input and output channels of each 3x3 convolution, first to last."""
        yield COLOURS, self.width
        for _ in range(self.depth):
            yield self.width, self.width
        yield self.width, COLOURS * SCALE**2

    @property
    def radius(self) -> int:
        """Radius of the receptive field in LR pixels: the halo that a window needs on each side."""
        return self.depth + 2

    @property
    def multiplications(self) -> int:
        """Multiply-accumulate operations of the 3x3 convolutions per LR pixel."""
        return sum(9 * inputs * outputs for inputs, outputs in self.layers)

    def shapes(self, networks: int) -> dict[str, Shape]:
        """Return the shapes of the arrays of `networks` networks, by name."""
        layers = list(self.layers)
        return {
            _name(network, i, kind): (outputs, inputs, 3, 3) if kind == "weight" else (outputs,)
            for network in range(networks)
            for i, (inputs, outputs) in enumerate(layers)
            for kind in _KINDS
            if kind != "slope" or i < len(layers) - 1
        }


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
