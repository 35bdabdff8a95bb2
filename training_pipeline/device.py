"""Selection of device and precision."""

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training_pipeline.config import DeviceName, PrecisionName
from training_pipeline.errors import TrainingError
from upscaler.engines import processor
from upscaler.kept import kept

DTYPES: dict[PrecisionName, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}
_CANDIDATES: tuple[PrecisionName, ...] = ("f32", "bf16")
_ROUNDS, _MARGIN = 3, 1.2  # noise must not decide
_FOLDER = "training"  # in the user's cache


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
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return _fastest_on_processor()


@cache
def _fastest_on_processor() -> PrecisionName:
    """Return the precision for this processor: bfloat16 if it is clearly faster in convolutions.

    Measured once and kept, so that all runs on a machine agree. Having the instructions says little: with those of
    AVX-512, a step takes 1.6 times as long as in float32 on an Intel Xeon.
    """
    instructions = torch.cpu.get_capabilities()
    if not (instructions.get("avx512_bf16") or instructions.get("amx_bf16")):
        return "f32"  # emulation is much slower
    return kept(_FOLDER, [processor.identity(), torch.__version__], _CANDIDATES, _measured)


def _measured() -> PrecisionName:
    times: dict[PrecisionName, list[float]] = {precision: [] for precision in _CANDIDATES}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # others would spin while they wait, beside other programs
    for _ in range(1 + _ROUNDS):  # interleaved; the first warms up
        for precision, column in times.items():
            column.append(_seconds(precision))
    torch.set_num_threads(threads)
    exact, rounded = (min(column[1:]) for column in times.values())
    return "bf16" if _MARGIN * rounded <= exact else "f32"


@torch.enable_grad()
def _seconds(precision: PrecisionName) -> float:
    """Return the CPU time of a convolution and its gradients, which other programs hardly change."""
    x, kernel = (
        torch.zeros(shape).contiguous(memory_format=layout_for(precision)).requires_grad_()
        for shape in ((16, 48, 32, 32), (48, 48, 3, 3))
    )
    started = time.process_time()
    with autocast(torch.device("cpu"), precision):
        F.conv2d(x, kernel).float().sum().backward()  # type: ignore[no-untyped-call]
    return time.process_time() - started


def layout_for(precision: PrecisionName) -> torch.memory_format:
    """Return the layout of tensors that is faster in a precision, as measured."""
    return torch.channels_last if precision in DTYPES else torch.contiguous_format


def autocast(device: torch.device, precision: PrecisionName) -> AbstractContextManager[object]:
    """Return a context with convolutions in a precision, or one without effect for float32."""
    return torch.autocast(device.type, dtype=DTYPES[precision]) if precision in DTYPES else contextlib.nullcontext()


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to the device; the host does not wait for a GPU, which finishes earlier work first."""
    return (tensor.pin_memory() if device.type == "cuda" and not tensor.is_cuda else tensor).to(
        device, non_blocking=True
    )


def compiled(network: nn.Module, device: torch.device, graphs: bool) -> Callable[[Tensor], Tensor]:
    """Compile the network if the machine can: steps take 0.8 of the time in float32, and less in bfloat16.

    graphs: launch the kernels of a GPU as CUDA graphs, which keep gradients until the next pass alone.
    """
    if device.type == "cuda":
        return torch.compile(network, dynamic=False, mode="reduce-overhead" if graphs else None)
    if shutil.which(os.environ.get("CXX", "g++")):
        return torch.compile(network, dynamic=False)
    return network
