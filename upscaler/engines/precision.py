"""Number formats of the networks."""

from typing import Literal, get_args

Precision = Literal["int8", "bf16", "f32"]
GPU_PRECISION: Literal["fp16"] = "fp16"  # where the GPU has it, else f32
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
