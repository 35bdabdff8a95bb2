"""ncnn engine in float32, on the CPU."""

import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from math import prod
from typing import TypeVar

import ncnn
import numpy as np

from upscaler.engines.cores import cores
from upscaler.engines.ncnn_graph import DOUBLED, PICTURE, describe
from upscaler.model.artifact import Artifact
from upscaler.pixels import Planes
from upscaler.tiling import Shape

Key = TypeVar("Key")

# Bytes, as measured: of all runs, and of a core for each pixel of its input, which are layers with their Winograd
# transforms for each channel, and inputs and outputs that wait
_LEAST, _OF_CHANNEL, _WAITING = 10_000_000, 26, 650


class NcnnEngine:
    """Engine with ncnn."""

    compiles = False

    def __init__(self, model: Artifact, side: int) -> None:
        description, self._weights = describe(model.config.architecture, model.weights(), model.config.networks)
        self._network = ncnn.Net()
        options = self._network.opt
        options.num_threads = 1
        options.use_winograd63_convolution = False  # larger blocks are no faster and less accurate
        options.use_bf16_storage = options.use_fp16_storage = options.use_fp16_arithmetic = False
        self._network.load_param_mem(description)
        self._network.load_model_mem(self._weights)  # ncnn keeps reading from this buffer
        self._cores, self._width = cores(), model.config.architecture.width
        self._threads = ThreadPoolExecutor(self._cores, "window")
        self._memory = _ThreadAllocators()

    def prepare(self, shape: Shape) -> None:
        """Do nothing: the network serves inputs of every shape."""

    def memory(self, shapes: Collection[Shape]) -> int:
        """Estimate the bytes of runs; see `Engine.memory`."""
        return memory(shapes, self._width)

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        """Run the model on inputs; see `Engine.run`."""
        pending: deque[tuple[Key, Future[Planes]]] = deque()
        try:
            for key, planes in inputs:
                if len(pending) == 2 * self._cores:
                    yield _finish(pending)
                pending.append((key, self._threads.submit(self._upscale, planes)))
            while pending:
                yield _finish(pending)
        finally:
            wait([future for _, future in pending if not future.cancel()])

    def _upscale(self, planes: Planes) -> Planes:
        self._memory.prepare_for(planes)
        extractor = self._network.create_extractor()
        extractor.set_blob_allocator(self._memory.blobs)
        extractor.set_workspace_allocator(self._memory.workspace)
        return np.array(extract(extractor, DOUBLED, {PICTURE: to_mat(planes)}))[np.newaxis]


def memory(shapes: Collection[Shape], channels: int) -> int:
    """Estimate the bytes that a network as wide as `channels` takes on all cores for inputs of these shapes."""
    return _LEAST + cores() * max(map(prod, shapes)) * (_OF_CHANNEL * channels + _WAITING)


def to_mat(planes: Planes) -> ncnn.Mat:
    """Copy planes, 1CHW in any order, into a matrix of ncnn. Raises MemoryError if none is left for it."""
    picture = np.ascontiguousarray(planes[0])  # kept until it is copied, for the first matrix only points to it
    mat = ncnn.Mat(picture).clone()  # ncnn assumes planes aligned to 16 bytes, which only its own copy guarantees
    if mat.empty():
        raise MemoryError
    return mat


def extract(extractor: ncnn.Extractor, output: str, inputs: dict[str, ncnn.Mat]) -> ncnn.Mat:
    """Compute an output of a network. Raises MemoryError if ncnn fails; it has no other reason to."""
    with extractor:  # cleared at the end, for the traceback of an error may outlive the thread's pools
        for name, mat in inputs.items():
            extractor.input(name, mat)
        failed, mat = extractor.extract(output)
    if failed or mat.empty():
        raise MemoryError
    return mat


class _ThreadAllocators(threading.local):
    """Memory pools per thread, reused by every layer, so that they stay in the caches of the thread's core."""

    def __init__(self) -> None:
        self.blobs, self.workspace = ncnn.UnlockedPoolAllocator(), ncnn.UnlockedPoolAllocator()
        self._sides: list[int] = []

    def prepare_for(self, planes: Planes) -> None:
        """Free the blocks that layers of inputs of another shape, but for turned ones, have left."""
        sides = sorted(planes.shape)
        if sides != self._sides:
            self.blobs.clear()
            self.workspace.clear()
            self._sides = sides


def _finish(pending: deque[tuple[Key, Future[Planes]]]) -> tuple[Key, Planes]:
    key, future = pending.popleft()
    try:
        return key, future.result()
    finally:
        del future  # it holds its error, whose traceback holds this frame and the memory of the window
