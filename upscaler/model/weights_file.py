"""Weights in model.safetensors: exactly the arrays of an architecture, validated before an engine reads them.

Their type is float32, but for those of networks in int8, which the file may hold a second time. ncnn reads the weights
from a buffer without checking its length, so every byte count matters.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize

from upscaler.errors import ModelError
from upscaler.model.architecture import (
    GREATEST_STEP,
    KERNEL_LEVEL,
    LEAST_STEP,
    Architecture,
    Layout,
    Weights,
    as_stored,
    is_step,
    split,
    stored_layout,
)

_TYPES = {"F32": "float32", "I8": "int8", "U8": "uint8"}  # by safetensors' name
_ITEM = 4  # bytes of a float32
_LARGEST_ITEM = 8  # bytes of the largest type; a file with it is read, then refused with the type's name
_HEADER, _HEADER_PER_ARRAY = 4096, 256  # maximum bytes


def size(architecture: Architecture, networks: int) -> int:
    """Return the bytes of all float32 arrays together."""
    return networks * _ITEM * sum(map(math.prod, architecture.shapes(1).values()))


def load(path: Path, architecture: Architecture, networks: int, int8: bool) -> tuple[Weights, Weights]:
    """Read a safetensors file: the float32 arrays, and those in int8 if the file is to hold them, else none.

    Raises ModelError unless it holds exactly the expected arrays, of their types, finite and within their bounds.
    """
    expected = stored_layout(architecture, networks, int8)
    elements = sum(math.prod(shape) for _, shape in expected.values())
    limit = _HEADER + _HEADER_PER_ARRAY * len(expected) + elements * _LARGEST_ITEM
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ModelError(f"{path} is longer than the arrays of its config.json; download or write the model again")
    try:
        found = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ModelError(f"{path} has no readable weights ({error}); download or write it again") from error
    layout = {name: (_TYPES.get(array["dtype"], array["dtype"]), tuple(array["shape"])) for name, array in found}
    _check_layout(layout, expected)
    arrays = {
        name: np.frombuffer(array["data"], np.dtype(expected[name][0]).newbyteorder("<")).reshape(expected[name][1])
        for name, array in found
    }
    _check_values(arrays)
    return split(arrays)


def check(weights: Weights, int8: Weights | None, architecture: Architecture, networks: int) -> None:
    """Raise ModelError unless the arrays are exactly the expected ones, of their types, finite and in their bounds."""
    arrays = as_stored(weights, int8 or {})
    layout = {name: (array.dtype.name, array.shape) for name, array in arrays.items()}
    _check_layout(layout, stored_layout(architecture, networks, int8 is not None))
    _check_values(arrays)


def _check_layout(layout: Layout, expected: Layout) -> None:
    if missing := sorted(expected.keys() - layout.keys()):
        raise ModelError(
            f"the weights lack {missing[0]} and {len(missing) - 1} more arrays; download or write the model again"
        )
    if unknown := sorted(layout.keys() - expected.keys()):
        raise ModelError(f"the weights have the unknown array {unknown[0][:80]!a}; use a version that reads this model")
    for name, (expected_kind, expected_shape) in expected.items():
        kind, shape = layout[name]
        if shape != expected_shape:
            raise ModelError(f"{name} has shape {shape}, expected {expected_shape}; download or write the model again")
        if kind != expected_kind:
            raise ModelError(f"{name} has type {kind}; write the weights as {expected_kind}")


def _check_values(arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{name} has values that are not finite; train or download the model again")
        if is_step(name) and not ((array >= LEAST_STEP) & (array <= GREATEST_STEP)).all():
            raise ModelError(
                f"{name} has values outside {LEAST_STEP:g} to {GREATEST_STEP:g}; train or download the model again"
            )
        if array.dtype == np.int8 and (abs(array.astype(np.int16)) > KERNEL_LEVEL).any():
            raise ModelError(
                f"{name} has levels outside {-KERNEL_LEVEL} to {KERNEL_LEVEL}; train or download the model again"
            )
