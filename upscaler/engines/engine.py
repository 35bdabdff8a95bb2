"""Inference engines: the protocol, and the choice of the fastest one for this processor.

With bf16 that is OpenVINO. Without, it is ncnn: its Winograd convolutions take a quarter of the multiplications.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import ClassVar, Literal, Protocol, TypeVar, get_args

from upscaler.model.artifact import Artifact
from upscaler.pixels import Planes

Key = TypeVar("Key")
Precision = Literal["bf16", "f32"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}  # each is enough for OpenVINO, which takes 0.8 s to load and say so
_PROCESSOR = Path("/proc/cpuinfo")


class Engine(Protocol):
    """A compiled model. Threads may share it: each call of `run` has its own outputs.

    window: pixels a side, without the halo, that are upscaled fastest in one go.
    """

    window: ClassVar[int]

    def __init__(self, model: Artifact, side: int) -> None:
        """Compile a model for inputs of 13(side)(side). Raises ModelError if it cannot be run."""

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        """Compute each input, 13HW, and yield its output, 13(2(H - 2r))(2(W - 2r)), in the order given.

        An output is valid until the next one is asked for. Closing the iterator waits for what is under way.
        """


def engine_for(precision: Precision) -> type[Engine]:
    """Return the engine that computes networks in a precision; its library is imported only now."""
    if precision == "bf16":
        from upscaler.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine
    from upscaler.engines.ncnn_engine import NcnnEngine

    return NcnnEngine


def fastest_precision() -> Precision:
    """Return the precision in which this processor computes networks fastest."""
    return "bf16" if has_bf16() else "f32"


def has_bf16() -> bool:
    """Return True if the processor computes in bf16."""
    if _PROCESSOR.exists():
        flags = next((line for line in _PROCESSOR.read_text().splitlines() if line.startswith("flags")), "")
        return not _BF16_FLAGS.isdisjoint(flags.split())
    from upscaler.engines.openvino_engine import CORE  # on other systems only it knows

    return "BF16" in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
