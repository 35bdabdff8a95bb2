"""ncnn engine in float32, and conversion of weights into ncnn's network format."""

import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ClassVar, NamedTuple, TypeVar

import ncnn
import numpy as np

from upscaler.engines.cores import cores
from upscaler.engines.graph import add_network
from upscaler.model.architecture import COLOURS, SCALE, Architecture, Array, Layer, Weights
from upscaler.model.artifact import Artifact
from upscaler.model.interpolation import INTERPOLATION_RADIUS, bicubic_kernel
from upscaler.pixels import Planes

Key = TypeVar("Key")

_PICTURE, _DOUBLED = "picture", "doubled"  # names of the input and the output

_MAGIC = 7767517  # first line of ncnn's present text format
_FLOAT32 = bytes(4)  # kernel prefix: neither compressed nor quantised
_SUM = 1  # operation of an Eltwise layer
_ADD, _MULTIPLY = 0, 2  # operations of a BinaryOp layer
_LIST = -23300  # parameter n that is a list has the key -23300 - n and starts with its length


class NcnnEngine:
    """Engine with ncnn. Its windows are small enough for activations to stay in the processor's caches."""

    window: ClassVar[int] = 64  # below, the halo costs more; above, the caches are too small

    def __init__(self, model: Artifact) -> None:
        description, self._weights = describe(model.config.architecture, model.weights(), model.config.networks)
        self._network = ncnn.Net()
        options = self._network.opt
        options.num_threads = 1
        options.use_winograd63_convolution = False  # larger blocks are no faster and less accurate
        options.use_bf16_storage = options.use_fp16_storage = options.use_fp16_arithmetic = False
        self._network.load_param_mem(description)
        self._network.load_model_mem(self._weights)  # ncnn keeps reading from this buffer
        self._cores = cores()
        self._threads = ThreadPoolExecutor(self._cores, "window")
        self._memory = _ThreadAllocators()

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
        extractor = self._network.create_extractor()
        extractor.set_blob_allocator(self._memory.blobs)
        extractor.set_workspace_allocator(self._memory.workspace)
        picture = np.ascontiguousarray(planes[0])
        # ncnn assumes planes aligned to 16 bytes, which only its own copy guarantees
        extractor.input(_PICTURE, ncnn.Mat(picture).clone())
        _, doubled = extractor.extract(_DOUBLED)
        return np.array(doubled)[np.newaxis]


class _ThreadAllocators(threading.local):
    """Memory pools per thread, reused by every layer, so that they stay in the caches of the thread's core."""

    def __init__(self) -> None:
        self.blobs, self.workspace = ncnn.UnlockedPoolAllocator(), ncnn.UnlockedPoolAllocator()


def _finish(pending: deque[tuple[Key, Future[Planes]]]) -> tuple[Key, Planes]:
    key, future = pending.popleft()
    return key, future.result()


def describe(architecture: Architecture, weights: Weights, networks: int) -> tuple[str, bytes]:
    """Return ncnn's .param text and .bin weights of a graph that averages the outputs of `networks` networks.

    Input `picture`: 3(H + 2r)(W + 2r) float32 in [0, 1], the picture extended by the radius r on each side.
    Output `doubled`: 3(2H)(2W) float32, not clipped.
    """
    graph = _Graph()
    residuals = [add_network(graph, _PICTURE, architecture, weights, n) for n in range(networks)]
    interpolated = graph.interpolation(_PICTURE, architecture.radius - INTERPOLATION_RADIUS)
    graph.shuffle(graph.sum({interpolated: 1.0} | dict.fromkeys(residuals, 1 / networks)))
    return graph.text(), b"".join(graph.weights)


class _Operation(NamedTuple):
    """A layer of ncnn; `values`: its parameters."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    values: str = ""


class _Graph:
    """Builder of a .param text and its weights, a `Graph` of names; each method adds layers and returns the output."""

    def __init__(self) -> None:
        self.weights: list[bytes] = []
        self._operations = [_Operation("Input", [], [_PICTURE])]

    def convolution(self, x: str, layer: Layer) -> str:
        kernel = layer.kernel
        self.weights += [_FLOAT32, kernel.tobytes(), layer.bias.tobytes()]
        x = self._add("Convolution", [x], f"0={kernel.shape[0]} 1={kernel.shape[-1]} 5=1 6={kernel.size}")
        if layer.slope is None:
            return x
        self.weights.append(layer.slope.tobytes())
        return self._add("PReLU", [x], f"0={layer.slope.size}")

    def affine(self, x: str, gain: Array, offset: Array) -> str:
        self.weights += [gain.tobytes(), offset.tobytes()]
        return self._add("Scale", [x], f"0={gain.size} 1=1")

    def crop(self, x: str, margin: int) -> str:
        to_end = -233  # size: everything up to the offset from the end
        sides = f"0={margin} 1={margin} 3={to_end} 4={to_end} 5={to_end} 6={margin} 7={margin}"
        return self._add("Crop", [x], sides)

    def add(self, a: str, b: str) -> str:
        return self._add("BinaryOp", [a, b], f"0={_ADD}")

    def multiply(self, a: str, b: str) -> str:
        return self._add("BinaryOp", [a, b], f"0={_MULTIPLY}")

    def interpolation(self, x: str, margin: int) -> str:
        kernel = bicubic_kernel()
        self.weights += [_FLOAT32, kernel.tobytes()]
        values = f"0={kernel.shape[0]} 1={kernel.shape[-1]} 6={kernel.size} 7={COLOURS}"
        return self._add("ConvolutionDepthWise", [self.crop(x, margin)], values)

    def sum(self, weighted: dict[str, float]) -> str:
        factors = ",".join(map(str, [len(weighted), *weighted.values()]))
        return self._add("Eltwise", list(weighted), f"0={_SUM} {_LIST - 1}={factors}")

    def shuffle(self, x: str) -> None:
        self._operations.append(_Operation("PixelShuffle", [x], [_DOUBLED], f"0={SCALE}"))

    def text(self) -> str:
        """Return the .param text."""
        operations = _with_splits(self._operations)
        blobs = sum(len(operation.outputs) for operation in operations)
        lines = [
            f"{kind} {outputs[0]} {len(inputs)} {len(outputs)} {' '.join([*inputs, *outputs])} {values}"
            for kind, inputs, outputs, values in operations
        ]
        return "\n".join([str(_MAGIC), f"{len(lines)} {blobs}", *lines, ""])

    def _add(self, kind: str, inputs: list[str], values: str) -> str:
        output = str(len(self._operations))
        self._operations.append(_Operation(kind, inputs, [output], values))
        return output


def _with_splits(operations: Iterable[_Operation]) -> list[_Operation]:
    """Copy each output that several operations take: ncnn allows one for each."""
    operations = list(operations)
    takers = Counter(name for operation in operations for name in operation.inputs)
    copies = {name: iter([f"{name}.{n}" for n in range(takes)]) for name, takes in takers.items() if takes > 1}
    split: list[_Operation] = []
    for operation in operations:
        inputs = [next(copies[name]) if name in copies else name for name in operation.inputs]
        split.append(operation._replace(inputs=inputs))
        for name in copies.keys() & operation.outputs:
            split.append(_Operation("Split", [name], [f"{name}.{n}" for n in range(takers[name])]))
    return split
