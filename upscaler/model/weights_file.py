"""Weights in model.safetensors: exactly the float32 arrays of an architecture, validated before an engine reads them.

ncnn reads the weights from a buffer without checking its length, so every byte count matters.
"""

import math
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize

from upscaler.errors import ModelError
from upscaler.model.architecture import Architecture, Shape, Weights

_FLOAT32 = "F32"  # safetensors' name of the type
_ITEM = 4  # bytes of a float32
_LARGEST_ITEM = 8  # bytes of the largest type; a file with it is read, then refused with the type's name
_HEADER, _HEADER_PER_ARRAY = 4096, 256  # maximum bytes


def size(architecture: Architecture, networks: int) -> int:
    """Return the bytes of all arrays together."""
    return networks * _ITEM * sum(map(math.prod, architecture.shapes(1).values()))


def load(path: Path, architecture: Architecture, networks: int) -> Weights:
    """Read a safetensors file. Raises ModelError unless it holds exactly the expected arrays, finite and float32."""
    expected = architecture.shapes(networks)
    limit = _HEADER + _HEADER_PER_ARRAY * len(expected) + size(architecture, networks) * _LARGEST_ITEM // _ITEM
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ModelError(f"{path} is longer than the arrays of its config.json; download or write the model again")
    try:
        found = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ModelError(f"{path} has no readable weights ({error}); download or write it again") from error
    _check_layout({name: (array["dtype"], tuple(array["shape"])) for name, array in found}, expected)
    weights = {name: np.frombuffer(array["data"], "<f4").reshape(expected[name]) for name, array in found}
    _check_finite(weights)
    return weights


def check(weights: Weights, architecture: Architecture, networks: int) -> None:
    """Raise ModelError unless `weights` holds exactly the expected arrays, finite and float32."""
    layout = {
        name: (_FLOAT32 if array.dtype == np.float32 else array.dtype.name, array.shape)
        for name, array in weights.items()
    }
    _check_layout(layout, architecture.shapes(networks))
    _check_finite(weights)


def _check_layout(layout: dict[str, tuple[str, Shape]], expected: dict[str, Shape]) -> None:
    if missing := sorted(expected.keys() - layout.keys()):
        raise ModelError(
            f"the weights lack {missing[0]} and {len(missing) - 1} more arrays; download or write the model again"
        )
    if unknown := sorted(layout.keys() - expected.keys()):
        raise ModelError(f"the weights have the unknown array {unknown[0][:80]!a}; use a version that reads this model")
    for name, expected_shape in expected.items():
        kind, shape = layout[name]
        if shape != expected_shape:
            raise ModelError(f"{name} has shape {shape}, expected {expected_shape}; download or write the model again")
        if kind != _FLOAT32:
            raise ModelError(f"{name} has type {kind}; write the weights as float32")


def _check_finite(weights: Weights) -> None:
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{name} has values that are not finite; train or download the model again")
