"""Selection of device and precision."""

import contextlib
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn


def best() -> torch.device:
    """Return the CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Return True if the device multiplies bfloat16 in hardware; emulation is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    processor = torch.cpu.get_capabilities()
    return bool(processor.get("avx512_bf16") or processor.get("amx_bf16"))


def autocast(device: torch.device, bfloat16: bool) -> AbstractContextManager[object]:
    """Return a context with convolutions in bfloat16, or one without effect."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if bfloat16 else contextlib.nullcontext()


def compiled(network: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    """Compile the network where a long run gains from it: in bfloat16, PReLU and its gradient take half of the time."""
    if device.type == "cuda" or (has_bfloat16(device) and shutil.which(os.environ.get("CXX", "g++"))):
        return torch.compile(network, dynamic=False)
    return network
