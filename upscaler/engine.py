"""What runs a model on windows of one fixed shape, several side by side: the program that is fastest on this processor.

With bf16 that is OpenVINO. Without, it is ncnn: its Winograd convolutions take a quarter of the multiplications.
"""

from collections.abc import Iterable, Iterator
from typing import ClassVar, Literal, Protocol, TypeVar

from upscaler.artifact import Artifact
from upscaler.ncnn_engine import NcnnEngine
from upscaler.openvino_engine import OpenVinoEngine, has_bf16
from upscaler.pixels import Planes

Key = TypeVar("Key")
Precision = Literal["bf16", "f32"]


class Engine(Protocol):
    """A compiled model. Threads may share it: each call of `run` has its own outputs.

    window: pixels a side, without the halo, that are doubled fastest in one go.
    """

    window: ClassVar[int]

    def __init__(self, model: Artifact, side: int) -> None:
        """Compile a model for inputs of 13(side)(side). Raises ModelError if it cannot be run."""

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        """Compute each input, 13HW, and yield its output, 13(2(H - 2r))(2(W - 2r)), in the order given.

        An output is valid until the next one is asked for. Closing the iterator waits for what is under way.
        """


ENGINES: dict[Precision, type[Engine]] = {"bf16": OpenVinoEngine, "f32": NcnnEngine}


def fastest_precision() -> Precision:
    """What this processor computes networks in fastest."""
    return "bf16" if has_bf16() else "f32"
