"""Engine protocol, and selection of the fastest engine for this processor.

With bf16 it is OpenVINO; otherwise ncnn, whose Winograd convolutions need a quarter of the multiplications. int8, with
OpenVINO, needs a model with weights for it.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

from upscaler.engines.devices import Gpu
from upscaler.engines.precision import Precision
from upscaler.model.artifact import Artifact
from upscaler.pixels import Planes

Key = TypeVar("Key")

_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}  # either suffices for OpenVINO; asking it would take 0.8 s to load
_PROCESSOR = Path("/proc/cpuinfo")


class Engine(Protocol):
    """A loaded model; thread-safe, each call of `run` has separate outputs.

    window: side in pixels of the fastest windows, without the halo.
    """

    window: ClassVar[int]

    def __init__(self, model: Artifact, side: int) -> None:
        """Load a model for square inputs of at most 13(side)(side). Raises ModelError if it cannot be run."""

    def prepare(self, side: int) -> None:
        """Compile the model for inputs of a side, if that is needed and not done; otherwise the first run does so."""

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        """Run the model on inputs of one shape, 13HH, and yield outputs 13(2(H - 2r))(2(H - 2r)) in the same order.

        An output is valid until the next one is requested. Closing the iterator waits for windows in progress.
        """


def engine_for(precision: Precision) -> type[Engine]:
    """Return the engine for a precision, importing its library only now."""
    if precision != "f32":
        from upscaler.engines.openvino_engine import OpenVinoEngine, OpenVinoInt8Engine

        return OpenVinoInt8Engine if precision == "int8" else OpenVinoEngine
    from upscaler.engines.ncnn_engine import NcnnEngine

    return NcnnEngine


def engine_on(gpu: Gpu) -> Callable[[Artifact, int], Engine]:
    """Return the engine for a GPU, importing its library only now."""
    from upscaler.engines.vulkan_engine import VulkanEngine

    return partial(VulkanEngine, gpu=gpu)


def fastest_window(precision: Precision, gpu: Gpu | None) -> int:
    """Return the side in pixels of the fastest windows, without the halo."""
    if gpu:
        from upscaler.engines.vulkan_engine import VulkanEngine

        return VulkanEngine.window
    return engine_for(precision).window


def fastest_precision() -> Precision:
    """Return the fastest precision on this processor."""
    return "bf16" if has_bf16() else "f32"


def has_bf16() -> bool:
    """Return True if the processor supports bf16."""
    if _PROCESSOR.exists():
        flags = next(
            (line for line in _PROCESSOR.read_text(encoding="utf-8").splitlines() if line.startswith("flags")), ""
        )
        return not _BF16_FLAGS.isdisjoint(flags.split())
    from upscaler.engines import openvino_engine  # elsewhere than on Linux, only OpenVINO can tell

    return openvino_engine.has_bf16()
