"""Conversion of weights into ncnn's network format."""

from collections import Counter
from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

from upscaler.engines.graph import add_network
from upscaler.model.architecture import COLOURS, SCALE, Architecture, Array, Layer, Weights
from upscaler.model.interpolation import INTERPOLATION_RADIUS, bicubic_kernel

PICTURE, RESIDUAL, DOUBLED = "picture", "residual", "doubled"  # names of inputs and outputs

Description = tuple[str, bytes]  # a .param text and .bin weights

_MAGIC = 7767517  # first line of ncnn's present text format
_FLOAT32 = bytes(4)  # kernel prefix: neither compressed nor quantised
_SUM = 1  # operation of an Eltwise layer
_ADD, _MULTIPLY = 0, 2  # operations of a BinaryOp layer
_LIST = -23300  # parameter n that is a list has the key -23300 - n and starts with its length


def describe(architecture: Architecture, weights: Weights, networks: int) -> Description:
    """Describe a graph that averages the outputs of `networks` networks.

    Input `picture`: 3(H + 2r)(W + 2r) float32 in [0, 1], the picture extended by the radius r on each side.
    Output `doubled`: 3(2H)(2W) float32, not clipped.
    """
    graph = _Graph(PICTURE)
    residuals = [add_network(graph, PICTURE, architecture, weights, n) for n in range(networks)]
    interpolated = graph.interpolation(PICTURE, architecture.radius - INTERPOLATION_RADIUS)
    graph.shuffle(graph.sum({interpolated: 1.0} | dict.fromkeys(residuals, 1 / networks)))
    return graph.described()


def describe_residual(architecture: Architecture, weights: Weights, networks: int) -> Description:
    """Describe the graph `picture` -> `residual`, 12HW, before the pixel shuffle."""
    graph = _Graph(PICTURE)
    residuals = [add_network(graph, PICTURE, architecture, weights, n) for n in range(networks)]
    graph.scale(reduce(graph.add, residuals), 1 / networks, RESIDUAL)
    return graph.described()


def describe_ending(architecture: Architecture) -> Description:
    """Describe the graph (`picture`, `residual`) -> `doubled`, which adds the residual to the interpolation."""
    graph = _Graph(PICTURE, RESIDUAL)
    interpolated = graph.interpolation(PICTURE, architecture.radius - INTERPOLATION_RADIUS)
    graph.shuffle(graph.add(interpolated, RESIDUAL))
    return graph.described()


class _Operation(NamedTuple):
    """A layer of ncnn; `values`: its parameters."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    values: str = ""


class _Graph:
    """Builder of a .param text and its weights, a `Graph` of names; each method adds layers and returns the output."""

    def __init__(self, *inputs: str) -> None:
        self._weights: list[bytes] = []
        self._operations = [_Operation("Input", [], [name]) for name in inputs]

    def convolution(self, x: str, layer: Layer) -> str:
        kernel = layer.kernel
        self._weights += [_FLOAT32, kernel.tobytes(), layer.bias.tobytes()]
        x = self._add("Convolution", [x], f"0={kernel.shape[0]} 1={kernel.shape[-1]} 5=1 6={kernel.size}")
        if layer.slope is None:
            return x
        self._weights.append(layer.slope.tobytes())
        return self._add("PReLU", [x], f"0={layer.slope.size}")

    def affine(self, x: str, gain: Array, offset: Array) -> str:
        self._weights += [gain.tobytes(), offset.tobytes()]
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
        self._weights += [_FLOAT32, kernel.tobytes()]
        values = f"0={kernel.shape[0]} 1={kernel.shape[-1]} 6={kernel.size} 7={COLOURS}"
        return self._add("ConvolutionDepthWise", [self.crop(x, margin)], values)

    def sum(self, weighted: dict[str, float]) -> str:
        factors = ",".join(map(str, [len(weighted), *weighted.values()]))
        return self._add("Eltwise", list(weighted), f"0={_SUM} {_LIST - 1}={factors}")

    def shuffle(self, x: str) -> None:
        self._operations.append(_Operation("PixelShuffle", [x], [DOUBLED], f"0={SCALE}"))

    def scale(self, x: str, factor: float, output: str) -> None:
        self._operations.append(_Operation("BinaryOp", [x], [output], f"0={_MULTIPLY} 1=1 2={factor}"))

    def described(self) -> Description:
        return self._text(), b"".join(self._weights)

    def _text(self) -> str:
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
