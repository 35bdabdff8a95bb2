"""Export of a model's networks as ONNX graphs for other programs. Needs the package `onnx` (extra: export)."""

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ensemble_pipeline.config import ExportConfig
from upscaler.atomic import atomic_path
from upscaler.model import find
from upscaler.model.architecture import COLOURS, SCALE, Architecture, Layer, Weights, layers_of
from upscaler.model.artifact import Artifact
from upscaler.model.interpolation import INTERPOLATION_RADIUS, bicubic_kernel

OPSET = 18


def run(config: ExportConfig) -> None:
    """Write the graphs and print their file names. Raises ModelError if there is no such model."""
    model = find.model(config.model)
    _write(config.out, model)
    if model.jpeg_model:
        _write(config.out.with_stem(f"{config.out.stem}_jpegs"), model.jpeg_model)


def serialised(model: Artifact) -> bytes:
    """Return the graph of a model as the bytes of an .onnx file; the same model gives the same bytes."""
    graph = onnx_graph(model.config.architecture, model.weights(), model.config.networks)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _write(file: Path, model: Artifact) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file) as temporary:
        temporary.write_bytes(serialised(model))
    print(file)


def onnx_graph(architecture: Architecture, weights: Weights, networks: int) -> onnx.ModelProto:
    """Build the graph with the averaged output of `networks` networks.

    Input `picture`: N3(H + 2r)(W + 2r) float32 in [0, 1], the picture extended by the radius r on each side. Output:
    N3(2H)(2W) float32, not clipped. The graph has no padding; the caller extends the picture once.
    """
    builder = _Builder()
    residuals = [builder.network(layers_of(weights, n), f"network_{n}") for n in range(networks)]
    total = builder.add(builder.mean(residuals), builder.interpolation(architecture.radius))
    return builder.model(builder.shuffle(total))


class _Builder:
    """Builder of a graph; each method adds one operation and returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def network(self, layers: list[Layer], name: str) -> str:
        x = "picture"
        for i, (kernel, bias, slope) in enumerate(layers):
            x = self._convolution(x, kernel, bias, f"{name}.layer_{i}")
            if slope is not None:
                x = self._node("PRelu", [x, self._constant(f"{name}.layer_{i}.slope", slope.reshape(-1, 1, 1))])
        return x

    def mean(self, residuals: list[str]) -> str:
        if len(residuals) == 1:
            return residuals[0]
        return self._node("Mean", residuals)

    def interpolation(self, radius: int) -> str:
        margin = radius - INTERPOLATION_RADIUS
        bounds = [
            self._constant("crop.starts", np.array([margin, margin])),
            self._constant("crop.ends", np.array([-margin, -margin])),
            self._constant("crop.axes", np.array([2, 3])),
        ]
        inner = self._node("Slice", ["picture", *bounds])
        kernel = self._constant("interpolation", bicubic_kernel())
        return self._node("Conv", [inner, kernel], group=COLOURS)

    def add(self, a: str, b: str) -> str:
        return self._node("Add", [a, b])

    def shuffle(self, x: str) -> str:
        return self._node("DepthToSpace", [x], blocksize=SCALE, mode="CRD")

    def model(self, output: str) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "double_resolution",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", COLOURS, "h", "w"])],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", COLOURS, "H", "W"])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        onnx.checker.check_model(model)
        return model

    def _convolution(self, x: str, weight: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> str:
        kernel = self._constant(f"{name}.weight", weight)
        return self._node("Conv", [x, kernel, self._constant(f"{name}.bias", bias)])

    def _constant(self, name: str, values: NDArray[np.float32] | NDArray[np.int64]) -> str:
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def _node(self, operation: str, inputs: list[str], **attributes: int | str) -> str:
        output = f"{operation}_{len(self.nodes)}"
        node = helper.make_node(operation, inputs, [output])
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self.nodes.append(node)
        return output
