"""Description of a network: plain 3x3 convolutions at low resolution and one pixel shuffle.

The only module that spells the names of a model's arrays.
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
# Far above what a CPU runs in reason; a description from elsewhere may ask for any number
MAX_WIDTH, MAX_DEPTH = 256, 128

_KINDS = ("weight", "bias", "slope")


class Layer(NamedTuple):
    """Arrays of one 3x3 convolution, and of the PReLU after it (None: there is none)."""

    kernel: Array  # OI33
    bias: Array  # O
    slope: Array | None  # O


class Architecture(BaseModel):
    """Width and depth of a network, and what follows from them.

    Layer 0 goes from 3 colours to `width` channels, `depth` layers keep the width, and the last goes to
    3 x 4 channels, which the pixel shuffle lays out as 2x2 pixels. All but the last end in a PReLU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: Annotated[int, Field(ge=1, le=MAX_WIDTH)]
    depth: Annotated[int, Field(ge=1, le=MAX_DEPTH)]

    @property
    def layers(self) -> Iterator[tuple[int, int]]:
        """Channels (in, out) of each 3x3 convolution, first to last."""
        yield COLOURS, self.width
        for _ in range(self.depth):
            yield self.width, self.width
        yield self.width, COLOURS * SCALE**2

    @property
    def radius(self) -> int:
        """Pixels of the small picture on each side of a pixel on which its 2x2 result depends."""
        return self.depth + 2

    @property
    def multiplications(self) -> int:
        """Multiply-accumulates of the 3x3 convolutions for one pixel of the small picture."""
        return sum(9 * inputs * outputs for inputs, outputs in self.layers)

    def shapes(self, networks: int) -> dict[str, Shape]:
        """Return the shape of each array of so many networks, by its name."""
        layers = list(self.layers)
        return {
            _name(network, i, kind): (outputs, inputs, 3, 3) if kind == "weight" else (outputs,)
            for network in range(networks)
            for i, (inputs, outputs) in enumerate(layers)
            for kind in _KINDS
            if kind != "slope" or i < len(layers) - 1
        }


def layers_of(weights: Weights, network: int = 0) -> list[Layer]:
    """Take the layers of one network, first to last, out of the arrays of several."""
    numbers = takewhile(lambda i: _name(network, i, "weight") in weights, count())
    return [Layer(*(weights.get(_name(network, i, kind)) for kind in _KINDS)) for i in numbers]  # type: ignore[arg-type]


def arrays_of(layers: Iterable[Layer], network: int = 0) -> Weights:
    """Name the arrays of the layers of one network, first to last, as in an artifact."""
    return {
        _name(network, i, kind): array
        for i, layer in enumerate(layers)
        for kind, array in zip(_KINDS, layer, strict=True)
        if array is not None
    }


def _name(network: int, layer: int, kind: str) -> str:
    return f"networks.{network}.layers.{layer}.{kind}"
