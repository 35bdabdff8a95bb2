"""Runs a model with ncnn, in float32."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ClassVar, TypeVar

import ncnn
import numpy as np

from upscaler.artifact import Artifact
from upscaler.cores import cores
from upscaler.ncnn_network import DOUBLED, PICTURE, describe
from upscaler.pixels import Planes

Key = TypeVar("Key")


class NcnnEngine:
    """An `Engine`. Its windows are so small that what the layers pass on stays in the caches of the processor."""

    window: ClassVar[int] = 64  # below it the halo costs more, above it the caches are too small

    def __init__(self, model: Artifact, side: int) -> None:
        description, self._weights = describe(model.config.architecture, model.weights(), model.config.networks)
        self._network = ncnn.Net()
        options = self._network.opt
        options.num_threads = 1
        options.use_winograd63_convolution = False  # larger blocks are no faster and round more
        options.use_bf16_storage = options.use_fp16_storage = options.use_fp16_arithmetic = False
        self._network.load_param_mem(description)
        self._network.load_model_mem(self._weights)  # which it goes on reading
        self._cores = cores()
        self._threads = ThreadPoolExecutor(self._cores, "window")
        self._memory = _Memory()

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        waiting: deque[tuple[Key, Future[Planes]]] = deque()
        try:
            for key, planes in inputs:
                if len(waiting) == 2 * self._cores:
                    yield _finish(waiting)
                waiting.append((key, self._threads.submit(self._double, planes)))
            while waiting:
                yield _finish(waiting)
        finally:
            wait([future for _, future in waiting if not future.cancel()])

    def _double(self, planes: Planes) -> Planes:
        extractor = self._network.create_extractor()
        extractor.set_blob_allocator(self._memory.blobs)
        extractor.set_workspace_allocator(self._memory.workspace)
        picture = np.ascontiguousarray(planes[0])
        # a copy, whose planes begin at multiples of 16 bytes, as ncnn takes for granted
        extractor.input(PICTURE, ncnn.Mat(picture).clone())
        _, doubled = extractor.extract(DOUBLED)
        return np.array(doubled)[np.newaxis]


class _Memory(threading.local):
    """A thread's own memory: its layers use it again and again, so that it stays in the caches of the thread's core."""

    def __init__(self) -> None:
        self.blobs, self.workspace = ncnn.UnlockedPoolAllocator(), ncnn.UnlockedPoolAllocator()


def _finish(waiting: deque[tuple[Key, Future[Planes]]]) -> tuple[Key, Planes]:
    key, future = waiting.popleft()
    return key, future.result()
