"""The networks of an artifact as OpenVINO's models, built from the weights in two pieces.

The networks, nearly all of the arithmetic, may run in bf16. The ending (the interpolation, to which they add, and the
pixel shuffle) stays in float32, because half of bf16's digits would round the picture itself to less than 8 bits.
"""

from functools import reduce

import numpy as np
import openvino as ov
from openvino import opset13 as operations

from upscaler.architecture import COLOURS, SCALE, Architecture, Weights
from upscaler.interpolation import INTERPOLATION_RADIUS, bicubic_kernel


def residual_model(architecture: Architecture, weights: Weights, networks: int, side: int) -> ov.Model:
    """Build picture -> residual, the mean of `networks` networks' outputs.

    Input: 13(side)(side) float32 in [0, 1], the picture extended by the radius r on each side. Output:
    1(12)(side - 2r)(side - 2r) float32, what is added before the pixel shuffle. `weights` are named as in `artifact`.
    """
    picture = operations.parameter([1, COLOURS, side, side], np.float32)
    residuals = [_network(picture, architecture, weights, n) for n in range(networks)]
    residual = reduce(operations.add, residuals)
    if networks > 1:
        residual = operations.divide(residual, np.float32(networks))
    return ov.Model([residual], [picture])


def ending_model(architecture: Architecture, side: int) -> ov.Model:
    """Build (picture, residual) -> doubled picture, 1(2(side - 2r))(2(side - 2r))3 float32, not clipped.

    It comes as NHWC, so that its pixels lie as those of the result do.
    """
    inner = side - 2 * architecture.radius
    picture = operations.parameter([1, COLOURS, side, side], np.float32)
    residual = operations.parameter([1, COLOURS * SCALE**2, inner, inner], np.float32)
    total = operations.add(residual, _interpolation(picture, architecture.radius - INTERPOLATION_RADIUS))
    shuffled = operations.depth_to_space(total, "depth_first", SCALE)
    return ov.Model([operations.transpose(shuffled, np.array([0, 2, 3, 1]))], [picture, residual])


def _network(x: ov.Node, architecture: Architecture, weights: Weights, n: int) -> ov.Node:
    layers = list(architecture.layers)
    for i in range(len(layers)):
        name = f"networks.{n}.layers.{i}"
        x = operations.convolution(x, weights[f"{name}.weight"], [1, 1], [0, 0], [0, 0], [1, 1])
        x = operations.add(x, weights[f"{name}.bias"].reshape(1, -1, 1, 1))
        if i < len(layers) - 1:
            x = operations.prelu(x, weights[f"{name}.slope"])
    return x


def _interpolation(picture: ov.Node, margin: int) -> ov.Node:
    inner = operations.slice(picture, *map(np.array, ([margin] * 2, [-margin] * 2, [1, 1], [2, 3])))
    kernel = bicubic_kernel()
    groups = kernel.reshape(COLOURS, SCALE**2, 1, *kernel.shape[-2:])
    return operations.group_convolution(inner, groups, [1, 1], [0, 0], [0, 0], [1, 1])
