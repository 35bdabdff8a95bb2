"""Export of a model's networks as ONNX graphs for other programs. Needs the package `onnx` (extra: export)."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ensemble_pipeline.config import ExportConfig
from ensemble_pipeline.errors import EnsembleError
from upscaler.atomic import atomic_path
from upscaler.engines.graph import add_network
from upscaler.model import find
from upscaler.model.architecture import COLOURS, SCALE, Architecture, Array, Layer, Weights
from upscaler.model.artifact import Artifact
from upscaler.model.interpolation import INTERPOLATION_RADIUS, bicubic_kernel

OPSET = 18
_PICTURE = "picture"  # name of the input


def run(config: ExportConfig) -> None:
    """Write the graphs and print their file names.

    Raises ModelError if there is no such model, EnsembleError if a file would be replaced unasked.
    """
    model = find.model(config.model)
    models = {config.out: model}
    if model.jpeg_model:
        models[config.out.with_stem(f"{config.out.stem}_jpegs")] = model.jpeg_model
    for file in models:
        if file.exists() and not config.overwrite:
            raise EnsembleError(f"{file} already exists; give another name, or --overwrite to replace it")
    for file, one in models.items():
        _write(file, one)


def serialised(model: Artifact) -> bytes:
    """Return the graph of a model as the bytes of an .onnx file; the same model gives the same bytes."""
    graph = onnx_graph(model.config.architecture, model.weights(), model.config.networks)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _write(file: Path, model: Artifact) -> None:
    with atomic_path(file) as temporary:
        temporary.write_bytes(serialised(model))
    print(file)


def onnx_graph(architecture: Architecture, weights: Weights, networks: int) -> onnx.ModelProto:
    """Build the graph with the averaged output of `networks` networks.

    Input `picture`: N3(H + 2r)(W + 2r) float32 in [0, 1], the picture extended by the radius r on each side. Output:
    N3(2H)(2W) float32, not clipped. The graph has no padding; the caller extends the picture once.
    """
    graph = _Graph()
    residuals = [add_network(graph, _PICTURE, architecture, weights, n) for n in range(networks)]
    total = graph.add(graph.mean(residuals), graph.interpolation(architecture.radius - INTERPOLATION_RADIUS))
    return graph.model(graph.shuffle(total))


class _Graph:
    """Builder of a graph, a `Graph` of names; each method adds operations and returns the name of the output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def convolution(self, x: str, layer: Layer) -> str:
        x = self._node("Conv", [x, self._constant(layer.kernel), self._constant(layer.bias)])
        return x if layer.slope is None else self._node("PRelu", [x, self._per_channel(layer.slope)])

    def affine(self, x: str, gain: Array, offset: Array) -> str:
        return self.add(self.multiply(x, self._per_channel(gain)), self._per_channel(offset))

    def crop(self, x: str, margin: int) -> str:
        starts, ends, axes = (self._constant(np.array(values)) for values in ([margin] * 2, [-margin] * 2, [2, 3]))
        return self._node("Slice", [x, starts, ends, axes])

    def add(self, a: str, b: str) -> str:
        return self._node("Add", [a, b])

    def multiply(self, a: str, b: str) -> str:
        return self._node("Mul", [a, b])

    def mean(self, residuals: list[str]) -> str:
        if len(residuals) == 1:
            return residuals[0]
        return self._node("Mean", residuals)

    def interpolation(self, margin: int) -> str:
        return self._node("Conv", [self.crop(_PICTURE, margin), self._constant(bicubic_kernel())], group=COLOURS)

    def shuffle(self, x: str) -> str:
        return self._node("DepthToSpace", [x], blocksize=SCALE, mode="CRD")

    def model(self, output: str) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "double_resolution",
            [helper.make_tensor_value_info(_PICTURE, TensorProto.FLOAT, ["n", COLOURS, "h", "w"])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", COLOURS, "H", "W"])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        onnx.checker.check_model(model)
        return model

    def _per_channel(self, values: Array) -> str:
        return self._constant(values.reshape(-1, 1, 1))

    def _constant(self, values: Array | NDArray[np.int64]) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def _node(self, operation: str, inputs: list[str], **attributes: int | str) -> str:
        output = f"{operation}_{len(self.nodes)}"
        node = helper.make_node(operation, inputs, [output])
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self.nodes.append(node)
        return output
