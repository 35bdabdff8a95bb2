"""Where and in which precision to train: what the machine has is used, and nothing is assumed."""

import contextlib
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn


def best() -> torch.device:
    """CUDA if there is such a device, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 in hardware; one that only emulates it is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    processor = torch.cpu.get_capabilities()
    return bool(processor.get("avx512_bf16") or processor.get("amx_bf16"))


def autocast(device: torch.device, bfloat16: bool) -> AbstractContextManager[object]:
    """Convolutions in bfloat16, or all as it is."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if bfloat16 else contextlib.nullcontext()


def compiled(network: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    """The network, compiled where that pays in a long run: PReLU and its gradient take half of the time in bfloat16."""
    if device.type == "cuda" or (has_bfloat16(device) and shutil.which(os.environ.get("CXX", "g++"))):
        return torch.compile(network, dynamic=False)
    return network
