"""model.safetensors: just the float32 arrays that an architecture asks for, checked before an engine sees them.

ncnn takes the weights as one buffer without its length, so each count of bytes matters.
"""

import math
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, deserialize

from upscaler.errors import ModelError
from upscaler.model.architecture import Architecture, Shape, Weights

_FLOAT32 = "F32"  # as safetensors calls it
_ITEM = 4  # bytes of a float32
_LARGEST_ITEM = 8  # bytes of the longest other type, which is refused by its name
_HEADER, _HEADER_OF_AN_ARRAY = 4096, 256  # bytes, at most


def size(architecture: Architecture, networks: int) -> int:
    """Bytes of all arrays together."""
    return networks * _ITEM * sum(map(math.prod, architecture.shapes(1).values()))


def load(path: Path, architecture: Architecture, networks: int) -> Weights:
    """Read a safetensors file. Raises ModelError unless it holds just the arrays due, finite and in float32."""
    due = architecture.shapes(networks)
    limit = _HEADER + _HEADER_OF_AN_ARRAY * len(due) + size(architecture, networks) * _LARGEST_ITEM // _ITEM
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ModelError(f"{path} is longer than the arrays of its config.json; fetch or write the model again")
    try:
        found = deserialize(content)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise ModelError(f"{path} holds no weights that can be read ({error}); fetch or write it again") from error
    _check_layout({name: (array["dtype"], tuple(array["shape"])) for name, array in found}, due)
    weights = {name: np.frombuffer(array["data"], "<f4").reshape(due[name]) for name, array in found}
    _check_finite(weights)
    return weights


def check(weights: Weights, architecture: Architecture, networks: int) -> None:
    """Raise ModelError unless `weights` holds just the arrays due, finite and in float32."""
    layout = {
        name: (_FLOAT32 if array.dtype == np.float32 else array.dtype.name, array.shape)
        for name, array in weights.items()
    }
    _check_layout(layout, architecture.shapes(networks))
    _check_finite(weights)


def _check_layout(layout: dict[str, tuple[str, Shape]], due: dict[str, Shape]) -> None:
    if missing := sorted(due.keys() - layout.keys()):
        raise ModelError(f"the weights lack {missing[0]} and {len(missing) - 1} more; the artifact is broken")
    if unknown := sorted(layout.keys() - due.keys()):
        raise ModelError(f"the weights hold the unknown {unknown[0][:80]!a}; the artifact is of another format")
    for name, shape_due in due.items():
        kind, shape = layout[name]
        if shape != shape_due:
            raise ModelError(f"{name} has the shape {shape} where {shape_due} is due; the artifact is broken")
        if kind != _FLOAT32:
            raise ModelError(f"{name} is of the type {kind}; write the weights as float32")


def _check_finite(weights: Weights) -> None:
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{name} holds values that are not finite; train again, or fetch the model again")
