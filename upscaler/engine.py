"""Runs a model's ONNX graph with OpenVINO on windows of one fixed shape, several side by side."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import openvino as ov

from upscaler.architecture import COLOURS
from upscaler.errors import ModelError
from upscaler.pixels import Planes

Key = TypeVar("Key")


class Engine:
    """A compiled network. Threads may share it: each call of `run` has its own requests.

    precision: "bf16" where the processor computes in it, else "f32". streams: windows computed side by side,
    each on one core, which beats all cores on one window because no core waits for another between layers.
    """

    def __init__(self, graph: Path, side: int) -> None:
        """Compile `graph` for inputs of 13(side)(side). Raises ModelError if OpenVINO cannot read it."""
        core = ov.Core()
        self.precision = "bf16" if "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES") else "f32"
        self.processor: str = core.get_property("CPU", "FULL_DEVICE_NAME")
        try:
            model = core.read_model(graph)
            model.reshape([1, COLOURS, side, side])
            self._compiled = core.compile_model(model, "CPU", self._properties())
        except RuntimeError as error:
            raise ModelError(f"{graph} is not a graph that can be run; fetch or write the model again") from error
        self.streams: int = self._compiled.get_property("NUM_STREAMS")

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        """Compute each input, 13HW, and yield its output, 13(2(H - 2r))(2(W - 2r)), in the order given.

        An output is valid until the next one is asked for. Closing the iterator waits for what is under way.
        """
        idle = [self._compiled.create_infer_request() for _ in range(2 * self.streams)]
        busy: deque[tuple[Key, ov.InferRequest]] = deque()
        try:
            for key, planes in inputs:
                if not idle:
                    yield self._finish(busy, idle)
                request = idle.pop()
                request.start_async({0: planes}, share_inputs=False)
                busy.append((key, request))
            while busy:
                yield self._finish(busy, idle)
        finally:
            for _, request in busy:
                request.cancel()
                with suppress(RuntimeError):  # what was cancelled says so by raising
                    request.wait()

    def _finish(self, busy: deque[tuple[Key, ov.InferRequest]], idle: list[ov.InferRequest]) -> tuple[Key, Planes]:
        key, request = busy.popleft()
        request.wait()
        idle.append(request)
        planes: Planes = request.get_output_tensor().data
        return key, planes

    def _properties(self) -> dict[str, object]:
        cores = _cores()
        return {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": cores,
            "NUM_STREAMS": cores,
        }


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
