"""The networks of an artifact as ncnn reads them: a text that names the layers, and their weights in one piece."""

import numpy as np
from numpy.typing import NDArray

from upscaler.architecture import COLOURS, SCALE, Architecture, Weights
from upscaler.interpolation import INTERPOLATION_RADIUS, bicubic_kernel

PICTURE, DOUBLED = "picture", "doubled"  # names of the input and the output

_MAGIC = 7767517  # says that the text is of ncnn's present format
_FLOAT32 = bytes(4)  # before a kernel: it is neither compressed nor quantised
_SUM = 1  # of the operations of an Eltwise
_LIST = -23300  # less n is the key of a value n that is a list, written with its length before it


def describe(architecture: Architecture, weights: Weights, networks: int) -> tuple[str, bytes]:
    """Write down the graph whose output is the mean of `networks` networks' outputs: ncnn's .param and .bin.

    Input `picture`: 3(H + 2r)(W + 2r) float32 in [0, 1], the picture extended by the radius r on each side.
    Output `doubled`: 3(2H)(2W) float32, not clipped. `weights` are named as in `artifact`.
    """
    description = _Description()
    pictures = description.split(PICTURE, networks + 1)
    residuals = [description.network(pictures[n], architecture, weights, n) for n in range(networks)]
    interpolated = description.interpolation(pictures[-1], architecture.radius - INTERPOLATION_RADIUS)
    description.shuffle(description.sum({interpolated: 1.0} | dict.fromkeys(residuals, 1 / networks)))
    return description.text(), b"".join(description.weights)


class _Description:
    """Collects layers and weights; each method adds what it is named after and returns its output's name."""

    def __init__(self) -> None:
        self.layers = [f"Input {PICTURE} 0 1 {PICTURE}"]
        self.weights: list[bytes] = []
        self.outputs = 1

    def text(self) -> str:
        return "\n".join([str(_MAGIC), f"{len(self.layers)} {self.outputs}", *self.layers, ""])

    def split(self, x: str, copies: int) -> list[str]:
        return self._layer("Split", [x], [f"{x}.{n}" for n in range(copies)])

    def network(self, x: str, architecture: Architecture, weights: Weights, n: int) -> str:
        layers = list(architecture.layers)
        for i in range(len(layers)):
            name = f"networks.{n}.layers.{i}"
            x = self.convolution(x, weights[f"{name}.weight"], weights[f"{name}.bias"], name)
            if i < len(layers) - 1:
                x = self.prelu(x, weights[f"{name}.slope"], name)
        return x

    def convolution(self, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32], name: str) -> str:
        self.weights += [_FLOAT32, kernel.tobytes(), bias.tobytes()]
        values = f"0={kernel.shape[0]} 1={kernel.shape[-1]} 5=1 6={kernel.size}"
        return self._layer("Convolution", [x], [name], values)[0]

    def prelu(self, x: str, slope: NDArray[np.float32], name: str) -> str:
        self.weights.append(slope.tobytes())
        return self._layer("PReLU", [x], [f"{name}.activated"], f"0={slope.size}")[0]

    def interpolation(self, x: str, margin: int) -> str:
        to_end = -233  # as a size: up to what the offset from the end leaves
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
        return self._layer("PixelShuffle", [x], [DOUBLED], f"0={SCALE}")[0]

    def _layer(self, kind: str, inputs: list[str], outputs: list[str], values: str = "") -> list[str]:
        names = " ".join([*inputs, *outputs])
        self.layers.append(f"{kind} {outputs[0]} {len(inputs)} {len(outputs)} {names} {values}")
        self.outputs += len(outputs)
        return outputs
