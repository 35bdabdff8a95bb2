"""Selection of device and precision."""

import contextlib
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from training_pipeline.config import DeviceName, PrecisionName
from training_pipeline.errors import TrainingError

DTYPES: dict[PrecisionName, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


def best() -> torch.device:
    """Return the CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def chosen(name: DeviceName) -> torch.device:
    """Return the device of that name, the best one for "auto". Raises TrainingError if the machine has none."""
    if name == "auto":
        return best()
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingError("torch finds no CUDA device; leave out --device, or give --device cpu")
    return torch.device(name)


def fastest_precision(device: torch.device) -> PrecisionName:
    """Return the precision in which training on the device is fastest: a GPU without bfloat16 multiplies float16."""
    if has_bfloat16(device):
        return "bf16"
    return "fp16" if device.type == "cuda" else "f32"


def has_bfloat16(device: torch.device) -> bool:
    """Return True if the device multiplies bfloat16 in hardware; emulation is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    processor = torch.cpu.get_capabilities()
    return bool(processor.get("avx512_bf16") or processor.get("amx_bf16"))


def autocast(device: torch.device, precision: PrecisionName) -> AbstractContextManager[object]:
    """Return a context with convolutions in a precision, or one without effect for float32."""
    return torch.autocast(device.type, dtype=DTYPES[precision]) if precision in DTYPES else contextlib.nullcontext()


def compiled(network: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Compile the network where a long run gains from it: in bfloat16, PReLU and its gradient take half of the time."""
    if device.type == "cuda" or (has_bfloat16(device) and shutil.which(os.environ.get("CXX", "g++"))):
        return torch.compile(network, dynamic=False)
    return network
