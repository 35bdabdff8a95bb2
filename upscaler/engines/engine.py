"""Engine protocol, and the engines and windows that may be the fastest for a model on this machine.

OpenVINO computes in bf16, and ncnn in float32 with Winograd convolutions, which need a quarter of the multiplications:
with AMX, bf16 is the faster one by far. With AVX-512 alone it is not worth a measurement: on an AMD EPYC it took 0.8 to
1.0 of float32's time, on an Intel Xeon 1.6 to 2.0. int8, with OpenVINO, needs a model with weights for it. `choice.py`
chooses.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from typing import Protocol, TypeVar

from upscaler.engines import processor
from upscaler.engines.devices import Gpu
from upscaler.engines.precision import GPU_PRECISION, Choice, GpuPrecision, Precision
from upscaler.model.artifact import Artifact
from upscaler.pixels import Planes
from upscaler.tiling import Shape

Key = TypeVar("Key")

# Sides of windows in pixels, without the halo; the usual one first. Below, the halo costs more.
_WINDOWS: dict[Precision | GpuPrecision, tuple[int, ...]] = {
    "f32": (64, 144),  # whose layers fit into most caches of a core, and into large ones
    "bf16": (256,),  # same speed from 192 to 384
    "int8": (256,),
    GPU_PRECISION: (256,),  # enough pixels to occupy a GPU
}


class Engine(Protocol):
    """A loaded model; thread-safe, each call of `run` has separate outputs."""

    compiles: bool  # for each shape of inputs

    def __init__(self, model: Artifact, side: int) -> None:
        """Load a model for inputs of at most 13(side)(side). Raises ModelError if it cannot be run."""

    def prepare(self, shape: Shape) -> None:
        """Compile the model for inputs of a shape, if that is needed and not done; otherwise the first run does so."""

    def memory(self, shapes: Collection[Shape]) -> int:
        """Estimate the bytes that runs on inputs of these shapes take, and keep, beside the loaded model."""

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        """Run the model on inputs 13HW, of few shapes, and yield outputs 13(2(H - 2r))(2(W - 2r)) in the same order.

        An output is valid until the next one is requested. Closing the iterator waits for windows in progress.
        """


def engine_for(precision: Precision | GpuPrecision, gpu: Gpu | None = None) -> Callable[[Artifact, int], Engine]:
    """Return the engine for a precision, or for a GPU, importing its library only now."""
    if gpu:
        from upscaler.engines.vulkan_engine import VulkanEngine

        return partial(VulkanEngine, gpu=gpu)
    if precision != "f32":
        from upscaler.engines.openvino_engine import OpenVinoEngine, OpenVinoInt8Engine

        return OpenVinoInt8Engine if precision == "int8" else OpenVinoEngine
    from upscaler.engines.ncnn_engine import NcnnEngine

    return NcnnEngine


def usual(precision: Precision | GpuPrecision) -> Choice:
    """Return a precision with its usual windows."""
    return Choice(precision, _WINDOWS[precision][0])


def candidates(model: Artifact, gpu: Gpu | None = None) -> tuple[Choice, ...]:
    """Return what may be the fastest for a model, in order of preference: most exact first, a GPU last."""
    precisions: list[Precision | GpuPrecision] = ["bf16" if processor.has_amx() else "f32"]
    if all(one.config.int8 for one in (model, model.jpeg_model) if one):
        precisions.append("int8")
    if gpu:
        precisions.append(GPU_PRECISION)
    return tuple(Choice(precision, window) for precision in precisions for window in _WINDOWS[precision])
