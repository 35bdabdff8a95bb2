"""ncnn engine on a GPU, through Vulkan: the networks in fp16 where the GPU has it, the ending in float32.

The ending, which adds the residual to the interpolation and shuffles pixels, runs on the CPU: fp16 would round the
picture itself, and the residual takes no more of the bus than the result would.
"""

import logging
import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain
from typing import TypeVar

import ncnn
import numpy as np

from upscaler.engines import ncnn_engine
from upscaler.engines.devices import Gpu
from upscaler.engines.ncnn_engine import NcnnEngine, extract, to_mat
from upscaler.engines.ncnn_graph import DOUBLED, PICTURE, RESIDUAL, Description, describe_ending, describe_residual
from upscaler.errors import GpuError
from upscaler.model.artifact import Artifact
from upscaler.pixels import FLOAT_BYTES, Planes
from upscaler.tiling import Shape

Key = TypeVar("Key")

_MOST_IN_FLIGHT = 4  # one window is computed while others are copied, and end on the CPU
_LIVE_LAYERS = 8  # outputs of layers that a window may hold at once, with those that the pool keeps

_logger = logging.getLogger(__name__)


class VulkanEngine:
    """Engine on a GPU. Windows that it fails to compute, and all later ones, are computed by the CPU in float32."""

    compiles = False

    def __init__(self, model: Artifact, side: int, gpu: Gpu) -> None:
        """Compile a model for a GPU, as in `Engine`. Raises GpuError if the GPU cannot run it."""
        self._model, self._side, self._gpu = model, side, gpu
        architecture = model.config.architecture
        self._residual = describe_residual(architecture, model.weights(), model.config.networks)
        self._ending = describe_ending(architecture)
        self._on_gpu, self._on_cpu = _network(self._residual, gpu), _network(self._ending)
        self._in_flight = in_flight(gpu, _LIVE_LAYERS * architecture.width * side**2 * FLOAT_BYTES)
        self._threads = ThreadPoolExecutor(self._in_flight, "gpu")
        self._losing = threading.Lock()
        self._replacement: NcnnEngine | None = None

    def prepare(self, shape: Shape) -> None:
        """Do nothing: the network serves inputs of every shape."""

    def memory(self, shapes: Collection[Shape]) -> int:
        """Estimate the bytes of runs on the CPU, which may have to replace the GPU; see `Engine.memory`."""
        return ncnn_engine.memory(shapes, self._model.config.architecture.width)

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        """Run the model on inputs; see `Engine.run`."""
        remaining = iter(inputs)
        pending: deque[tuple[Key, Planes, Future[Planes]]] = deque()
        try:
            if not self._replacement:
                yield from self._run_on_gpu(remaining, pending)
        except _GpuLostError:
            self._lose()
        finally:
            wait([future for _, _, future in pending if not future.cancel()])
        if self._replacement:
            unfinished = [(key, planes) for key, planes, _ in pending]
            yield from self._replacement.run(chain(unfinished, remaining))

    def _run_on_gpu(
        self, inputs: Iterator[tuple[Key, Planes]], pending: deque[tuple[Key, Planes, Future[Planes]]]
    ) -> Iterator[tuple[Key, Planes]]:
        """Yield outputs; a window stays pending until it is finished. Raises _GpuLostError."""
        for key, planes in inputs:
            pending.append((key, planes, self._threads.submit(self._upscale, planes)))
            if len(pending) > self._in_flight:
                yield _finish(pending)
        while pending:
            yield _finish(pending)

    def _upscale(self, planes: Planes) -> Planes:
        picture = to_mat(planes)
        residual = _extract(self._on_gpu, RESIDUAL, {PICTURE: picture})
        doubled = _extract(self._on_cpu, DOUBLED, {PICTURE: picture, RESIDUAL: residual})
        return np.array(doubled)[np.newaxis]

    def _lose(self) -> None:
        with self._losing:
            if not self._replacement:
                _logger.warning("the GPU %s failed or ran out of memory; the CPU goes on in its place", self._gpu.name)
                self._replacement = NcnnEngine(self._model, self._side)


class _GpuLostError(Exception):
    """Error for a window that a GPU did not compute."""


def in_flight(gpu: Gpu, per_window: int) -> int:
    """Return the number of windows that a GPU holds at once within half of its free memory.

    per_window: bytes. Raises GpuError if not one fits.
    """
    fitting = gpu.free_memory // 2 // per_window
    if not fitting:
        raise GpuError(f"{gpu.name} has too little memory for this model; give --device cpu")
    return min(fitting, _MOST_IN_FLIGHT)


def _finish(pending: deque[tuple[Key, Planes, Future[Planes]]]) -> tuple[Key, Planes]:
    key, _, future = pending[0]
    doubled = future.result()
    pending.popleft()
    return key, doubled


def _network(description: Description, gpu: Gpu | None = None) -> ncnn.Net:
    """Load a graph in fp16 on a GPU, or in float32 on one core. The description must outlive it."""
    network = ncnn.Net()
    options = network.opt
    options.num_threads = 1
    options.use_bf16_storage = False
    options.use_vulkan_compute = options.use_fp16_packed = gpu is not None
    options.use_fp16_storage = options.use_fp16_arithmetic = gpu is not None  # ncnn omits what a GPU lacks
    if gpu:
        network.set_vulkan_device(gpu.number)
    text, weights = description
    if network.load_param_mem(text) or network.load_model_mem(weights):
        raise GpuError("ncnn cannot load the model on this GPU; give --device cpu")
    return network


def _extract(network: ncnn.Net, output: str, inputs: dict[str, ncnn.Mat]) -> ncnn.Mat:
    try:
        return extract(network.create_extractor(), output, inputs)
    except MemoryError:
        raise _GpuLostError from None
