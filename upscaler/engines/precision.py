"""Number formats of the networks."""

from dataclasses import dataclass
from typing import Literal, get_args

Precision = Literal["int8", "bf16", "f32"]
GpuPrecision = Literal["fp16"]
GPU_PRECISION: GpuPrecision = "fp16"  # where the GPU has it, else f32
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Choice:
    """Number format of the networks, "fp16" on a GPU, and side in pixels of the largest windows, without the halo."""

    precision: Precision | GpuPrecision
    window: int
