"""ncnn engine in float32, and conversion of weights into ncnn's network format."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import ClassVar, TypeVar

import ncnn
import numpy as np

from upscaler.engines.cores import cores
from upscaler.model.architecture import COLOURS, SCALE, Architecture, Array, Layer, Weights, layers_of
from upscaler.model.artifact import Artifact
from upscaler.model.interpolation import INTERPOLATION_RADIUS, bicubic_kernel
from upscaler.pixels import Planes

Key = TypeVar("Key")

_PICTURE, _DOUBLED = "picture", "doubled"  # names of the input and the output

_MAGIC = 7767517  # first line of ncnn's present text format
_FLOAT32 = bytes(4)  # kernel prefix: neither compressed nor quantised
_SUM = 1  # operation of an Eltwise layer
_LIST = -23300  # parameter n that is a list has the key -23300 - n and starts with its length


class NcnnEngine:
    """Engine with ncnn. Its windows are small enough for activations to stay in the processor's caches."""

    window: ClassVar[int] = 64  # below, the halo costs more; above, the caches are too small

    def __init__(self, model: Artifact, side: int) -> None:
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
    description = _Description()
    pictures = description.split(_PICTURE, networks + 1)
    residuals = [description.network(pictures[n], layers_of(weights, n), str(n)) for n in range(networks)]
    interpolated = description.interpolation(pictures[-1], architecture.radius - INTERPOLATION_RADIUS)
    description.shuffle(description.sum({interpolated: 1.0} | dict.fromkeys(residuals, 1 / networks)))
    return description.text(), b"".join(description.weights)


class _Description:
    """Builder of a .param text and its weights; each method adds a layer and returns the name of its output."""

    def __init__(self) -> None:
        self.layers = [f"Input {_PICTURE} 0 1 {_PICTURE}"]
        self.weights: list[bytes] = []
        self.outputs = 1

    def text(self) -> str:
        return "\n".join([str(_MAGIC), f"{len(self.layers)} {self.outputs}", *self.layers, ""])

    def split(self, x: str, copies: int) -> list[str]:
        return self._layer("Split", [x], [f"{x}.{n}" for n in range(copies)])

    def network(self, x: str, layers: list[Layer], name: str) -> str:
        for i, (kernel, bias, slope) in enumerate(layers):
            x = self.convolution(x, kernel, bias, f"{name}.{i}")
            if slope is not None:
                x = self.prelu(x, slope, f"{name}.{i}")
        return x

    def convolution(self, x: str, kernel: Array, bias: Array, name: str) -> str:
        self.weights += [_FLOAT32, kernel.tobytes(), bias.tobytes()]
        values = f"0={kernel.shape[0]} 1={kernel.shape[-1]} 5=1 6={kernel.size}"
        return self._layer("Convolution", [x], [name], values)[0]

    def prelu(self, x: str, slope: Array, name: str) -> str:
        self.weights.append(slope.tobytes())
        return self._layer("PReLU", [x], [f"{name}.activated"], f"0={slope.size}")[0]

    def interpolation(self, x: str, margin: int) -> str:
        to_end = -233  # size: everything up to the offset from the end
        sides = f"0={margin} 1={margin} 3={to_end} 4={to_end} 5={to_end} 6={margin} 7={margin}"
        (inner,) = self._layer("Crop", [x], ["inner"], sides)
        kernel = bicubic_kernel()
        self.weights += [_FLOAT32, kernel.tobytes()]
        values = f"0={kernel.shape[0]} 1={kernel.shape[-1]} 6={kernel.size} 7={COLOURS}"
        return self._layer("ConvolutionDepthWise", [inner], ["interpolated"], values)[0]

    def sum(self, weighted: dict[str, float]) -> str:
        factors = ",".join(map(str, [len(weighted), *weighted.values()]))
        return self._layer("Eltwise", list(weighted), ["total"], f"0={_SUM} {_LIST - 1}={factors}")[0]

    def shuffle(self, x: str) -> str:
        return self._layer("PixelShuffle", [x], [_DOUBLED], f"0={SCALE}")[0]

    def _layer(self, kind: str, inputs: list[str], outputs: list[str], values: str = "") -> list[str]:
        names = " ".join([*inputs, *outputs])
        self.layers.append(f"{kind} {outputs[0]} {len(inputs)} {len(outputs)} {names} {values}")
        self.outputs += len(outputs)
        return outputs
