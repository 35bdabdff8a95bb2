"""The engine that runs a model with OpenVINO, its networks in bf16."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import ClassVar, TypeVar

import openvino as ov

from upscaler.artifact import Artifact
from upscaler.cores import cores
from upscaler.openvino_network import ending_model, residual_model
from upscaler.pixels import Planes

Key = TypeVar("Key")

# One for the whole process, never closed: each gives the thread that opens it a signal stack, and closing two out of
# order leaves a stack that is unmapped, so that the next signal would end the process.
CORE = ov.Core()
_PATIENCE = 50  # milliseconds of waiting, after which Ctrl-C is heard


class OpenVinoEngine:
    """An `Engine`."""

    window: ClassVar[int] = 256  # between 192 and 384 the speed is the same, below it the halo costs more

    def __init__(self, model: Artifact, side: int) -> None:
        architecture = model.config.architecture
        networks = residual_model(architecture, model.weights(), model.config.networks, side)
        self._networks = CORE.compile_model(networks, "CPU", _properties("bf16", cores()))
        self._ending = CORE.compile_model(ending_model(architecture, side), "CPU", _properties("f32", 1))
        self._streams: int = self._networks.get_property("NUM_STREAMS")

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        ending = self._ending.create_infer_request()
        idle = [self._networks.create_infer_request() for _ in range(2 * self._streams)]
        busy: deque[tuple[Key, ov.InferRequest]] = deque()
        try:
            for key, planes in inputs:
                if not idle:
                    yield _finish(busy, idle, ending)
                request = idle.pop()
                request.start_async({0: planes}, share_inputs=False)
                busy.append((key, request))
            while busy:
                yield _finish(busy, idle, ending)
        finally:
            for _, request in busy:
                request.cancel()
                with suppress(RuntimeError):  # what was cancelled says so by raising
                    request.wait()


def _finish(
    busy: deque[tuple[Key, ov.InferRequest]], idle: list[ov.InferRequest], ending: ov.InferRequest
) -> tuple[Key, Planes]:
    key, request = busy.popleft()
    while not request.wait_for(_PATIENCE):
        pass
    picture, residual = request.get_input_tensor().data, request.get_output_tensor().data
    ending.infer({0: picture, 1: residual}, share_inputs=True)
    idle.append(request)
    planes: Planes = ending.get_output_tensor().data.transpose(0, 3, 1, 2)
    return key, planes


def has_bf16() -> bool:
    """Whether the processor computes in bf16."""
    return "BF16" in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _properties(precision: str, streams: int) -> dict[str, object]:
    return {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": streams, "NUM_STREAMS": streams}
