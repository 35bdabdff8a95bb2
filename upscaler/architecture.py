"""The one kind of network there is: plain 3x3 convolutions at low resolution and one pixel shuffle."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Weights = dict[str, NDArray[np.float32]]

SCALE = 2
COLOURS = 3
# Far above what a CPU runs in reason; a description from elsewhere may ask for any number
MAX_WIDTH, MAX_DEPTH = 256, 128


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
