"""OpenVINO engines: the networks in bf16 or int8, interpolation and pixel shuffle in float32.

The networks are nearly all of the arithmetic. The ending, which adds the residual to the interpolation and shuffles
pixels, needs float32, because bf16 has 8 significant bits and would round the picture itself to fewer than 8.
"""

import threading
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import reduce
from math import prod
from typing import TypeVar

import numpy as np

from upscaler.engines.cores import cores
from upscaler.engines.graph import add_network
from upscaler.engines.openvino_api import operations, ov
from upscaler.model.architecture import (
    ACTIVATION_LEVELS,
    COLOURS,
    SCALE,
    Architecture,
    Array,
    Layer,
    Weights,
)
from upscaler.model.artifact import Artifact
from upscaler.model.interpolation import INTERPOLATION_RADIUS, bicubic_kernel
from upscaler.pixels import Planes
from upscaler.tiling import Shape

Key = TypeVar("Key")
_Compiled = tuple[ov.CompiledModel, ov.CompiledModel]  # the networks and the ending

# One per process, never closed: each core gives the thread that opens it a signal stack, and closing two out of order
# leaves an unmapped stack, so that the next signal would kill the process.
CORE = ov.Core()
# Of a network compiled for a shape and of its runs, as measured with gated networks: bytes of all, and of a core for
# each pixel of its input, which are layers for each channel, and inputs and outputs that wait
_LEAST, _OF_CHANNEL, _WAITING = 20_000_000, {"f32": 24, "bf16": 14}, 120
_KEPT = 120_000  # pixels of the shapes that stay compiled; the newest always does
_POLL_INTERVAL = 50  # milliseconds; Python handles Ctrl-C only between waits


def has_bf16() -> bool:
    """Return True if the processor supports bf16; with AVX-512 alone, OpenVINO emulates it."""
    return "BF16" in CORE.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class OpenVinoEngine:
    """Engine with OpenVINO in bf16, compiled for each shape of inputs when the first comes.

    Compiled for any, it takes up to a tenth more time, and rounds otherwise.
    """

    compiles = True

    def __init__(self, model: Artifact, side: int) -> None:
        self._config = model.config
        self._weights, self._precision = self._form(model)
        self._cores = cores()
        self._compiling = threading.Lock()
        self._compiled: dict[Shape, _Compiled] = {}  # the most recently used last

    def _form(self, model: Artifact) -> tuple[Weights, str]:
        """Return the weights, and the precision of all that they do not round."""
        return model.weights(), "bf16"

    def prepare(self, shape: Shape) -> None:
        """Compile the model for inputs of a shape."""
        self._for_shape(shape)

    def memory(self, shapes: Collection[Shape]) -> int:
        """Estimate the bytes of runs; see `Engine.memory`."""
        pixels = [prod(shape) for shape in shapes]
        of_pixel = _OF_CHANNEL[self._precision] * self._config.architecture.width + _WAITING
        return _LEAST + self._cores * of_pixel * min(sum(pixels), max(_KEPT, *pixels))

    def run(self, inputs: Iterable[tuple[Key, Planes]]) -> Iterator[tuple[Key, Planes]]:
        """Run the model on inputs; see `Engine.run`."""
        pools: dict[Shape, _Requests] = {}
        busy: deque[tuple[Key, _Requests, ov.InferRequest]] = deque()
        try:
            for key, planes in inputs:
                if len(busy) == 2 * self._cores:
                    yield _finish(busy)
                shape = Shape(*planes.shape[-2:])
                if shape not in pools:
                    pools[shape] = _Requests(*self._for_shape(shape))
                busy.append((key, pools[shape], pools[shape].start(planes)))
            while busy:
                yield _finish(busy)
        finally:
            for _, _, request in busy:
                request.cancel()
                with suppress(RuntimeError):  # waiting for a cancelled request raises
                    request.wait()

    def _for_shape(self, shape: Shape) -> _Compiled:
        """Return the networks and the ending, compiled for inputs of a shape."""
        with self._compiling:
            compiled = self._compiled.pop(shape, None)
            if not compiled:
                self._forget(_KEPT - prod(shape))
                compiled = self._compile(shape)
            self._compiled[shape] = compiled
            return compiled

    def _forget(self, kept: int) -> None:
        """Keep the most recently used shapes of at most `kept` pixels in all."""
        pixels = 0
        for shape in reversed(list(self._compiled)):
            pixels += prod(shape)
            if pixels > kept:
                del self._compiled[shape]

    def _compile(self, shape: Shape) -> _Compiled:
        architecture = self._config.architecture
        networks = residual_model(architecture, self._weights, self._config.networks, *shape)
        return (
            CORE.compile_model(networks, "CPU", _properties(self._precision, self._cores)),
            CORE.compile_model(ending_model(architecture, *shape), "CPU", _properties("f32", 1)),
        )


class OpenVinoInt8Engine(OpenVinoEngine):
    """Engine with OpenVINO: the convolutions of a trunk in int8; the others, sums and gates in bf16 or float32."""

    def _form(self, model: Artifact) -> tuple[Weights, str]:
        return model.int8_weights(), "bf16" if has_bf16() else "f32"


class _Requests:
    """Requests of one run for inputs of one shape, as many as are busy at once."""

    def __init__(self, networks: ov.CompiledModel, ending: ov.CompiledModel) -> None:
        self._networks, self._ending = networks, ending.create_infer_request()
        self._idle: list[ov.InferRequest] = []

    def start(self, planes: Planes) -> ov.InferRequest:
        """Start the networks on an input."""
        request = self._idle.pop() if self._idle else self._networks.create_infer_request()
        request.start_async({0: planes}, share_inputs=False)
        return request

    def finish(self, request: ov.InferRequest) -> Planes:
        """Wait for the networks and run the ending; the output is valid until the next one."""
        while not request.wait_for(_POLL_INTERVAL):
            pass
        picture, residual = request.get_input_tensor().data, request.get_output_tensor().data
        self._ending.infer({0: picture, 1: residual}, share_inputs=True)
        self._idle.append(request)
        planes: Planes = self._ending.get_output_tensor().data.transpose(0, 3, 1, 2)
        return planes


def _finish(busy: deque[tuple[Key, _Requests, ov.InferRequest]]) -> tuple[Key, Planes]:
    key, requests, request = busy.popleft()
    return key, requests.finish(request)


def _properties(precision: str, streams: int) -> dict[str, object]:
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": streams,
        "NUM_STREAMS": streams,
        "ENABLE_CPU_PINNING": False,  # to the first cores, where processes side by side would wait for each other
    }


def residual_model(architecture: Architecture, weights: Weights, networks: int, height: int, width: int) -> ov.Model:
    """Build the graph picture -> residual, the mean of the outputs of `networks` networks.

    Input: 13HW float32 in [0, 1], the picture extended by the radius r on each side. Output: 1(12)(H - 2r)(W - 2r)
    float32, the residual before the pixel shuffle.
    """
    picture = operations.parameter([1, COLOURS, height, width], np.float32)
    residuals = [add_network(_Graph(), picture, architecture, weights, n) for n in range(networks)]
    residual = reduce(operations.add, residuals)
    if networks > 1:
        residual = operations.divide(residual, np.float32(networks))
    return ov.Model([residual], [picture])


def ending_model(architecture: Architecture, height: int, width: int) -> ov.Model:
    """Build the graph (picture, residual) -> upscaled picture, 1(2(H - 2r))(2(W - 2r))3 float32, not clipped.

    The output is NHWC, the memory layout of the result.
    """
    inner = [side - 2 * architecture.radius for side in (height, width)]
    picture = operations.parameter([1, COLOURS, height, width], np.float32)
    residual = operations.parameter([1, COLOURS * SCALE**2, *inner], np.float32)
    total = operations.add(residual, _interpolation(picture, architecture.radius - INTERPOLATION_RADIUS))
    shuffled = operations.depth_to_space(total, "depth_first", SCALE)
    return ov.Model([operations.transpose(shuffled, np.array([0, 2, 3, 1]))], [picture, residual])


class _Graph:
    """Builder of a graph of nodes; see `Graph`."""

    def convolution(self, x: ov.Node, layer: Layer) -> ov.Node:
        x = operations.convolution(_rounded(x, layer), _kernel(layer), [1, 1], [0, 0], [0, 0], [1, 1])
        x = operations.add(x, _per_channel(layer.bias))
        return x if layer.slope is None else operations.prelu(x, layer.slope)

    def affine(self, x: ov.Node, gain: Array, offset: Array) -> ov.Node:
        return operations.add(operations.multiply(x, _per_channel(gain)), _per_channel(offset))

    def crop(self, x: ov.Node, margin: int) -> ov.Node:
        return operations.slice(x, *map(np.array, ([margin] * 2, [-margin] * 2, [1, 1], [2, 3])))

    def add(self, a: ov.Node, b: ov.Node) -> ov.Node:
        return operations.add(a, b)

    def multiply(self, a: ov.Node, b: ov.Node) -> ov.Node:
        return operations.multiply(a, b)


def _rounded(x: ov.Node, layer: Layer) -> ov.Node:
    """Round the input of a layer to its levels; OpenVINO does so in the operation before, which passes on bytes."""
    if layer.ends is None:
        return x
    ends = [np.float32(end) for end in layer.ends]
    return operations.fake_quantize(x, *ends, *ends, ACTIVATION_LEVELS)


def _kernel(layer: Layer) -> ov.Node:
    """Return a kernel as numbers; OpenVINO convolves with its levels and multiplies by their scale afterwards."""
    if layer.scale is None:
        return operations.constant(layer.kernel)
    levels = operations.convert(operations.constant(layer.kernel), np.float32)
    return operations.multiply(levels, operations.constant(layer.scale.reshape(-1, 1, 1, 1)))


def _per_channel(values: Array) -> Array:
    return values.reshape(1, -1, 1, 1)


def _interpolation(picture: ov.Node, margin: int) -> ov.Node:
    kernel = bicubic_kernel()
    groups = kernel.reshape(COLOURS, SCALE**2, 1, *kernel.shape[-2:])
    return operations.group_convolution(_Graph().crop(picture, margin), groups, [1, 1], [0, 0], [0, 0], [1, 1])
