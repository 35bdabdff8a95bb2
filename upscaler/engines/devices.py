"""Devices that compute the networks: the CPU, and GPUs with a Vulkan driver."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock

from upscaler.engines.precision import PRECISIONS, Precision
from upscaler.errors import OptionError

Device = str  # "auto", "cpu", "gpu" or "gpu:N"

_LOADERS = {
    "win32": ("vulkan-1.dll",),
    "darwin": ("libvulkan.dylib", "libvulkan.1.dylib", "libMoltenVK.dylib"),
}
_LINUX_LOADERS = ("libvulkan.so.1",)
_LINUX_GPUS = ("dri/renderD*", "nvidia[0-9]*", "dxg", "kgsl-3d0", "mali[0-9]*")  # device files of drivers
_SOFTWARE = 3  # ncnn's type of a Vulkan device that is the CPU
_MEGABYTE = 1 << 20

_searching = Lock()


@dataclass(frozen=True)
class Gpu:
    """A Vulkan device. number: from 0. software: True if the CPU computes in its place. free_memory: in bytes."""

    number: int
    name: str
    software: bool
    free_memory: int


def number_of(device: Device) -> int | None:
    """Return the number of a named GPU, 0 for "gpu"; None for "auto" and "cpu". Raises OptionError."""
    if device in ("auto", "cpu"):
        return None
    kind, colon, number = device.partition(":")
    if kind != "gpu" or (colon and not (number.isascii() and number.isdigit() and len(number) < 4)):
        raise OptionError(f"--device must be auto, cpu, gpu or gpu:N, got {device!r}; see double-resolution devices")
    return int(number or 0)


def check(device: Device, precision: Precision | None) -> None:
    """Raise OptionError if there is no device or precision of this form, or the device does not compute in it."""
    if precision and precision not in PRECISIONS:
        raise OptionError(f"the precision must be {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}, got {precision!r}")
    if number_of(device) is not None and precision:
        raise OptionError(f"a GPU computes in fp16, not {precision}; leave out --precision or give --device cpu")


def gpu_for(device: Device) -> Gpu | None:
    """Return the GPU that a device names; None for the CPU. Raises OptionError if there is no such GPU."""
    if device == "auto":
        return default_gpu()
    if (number := number_of(device)) is None:
        return None
    found = gpus()
    if number >= len(found):
        raise OptionError(f"--device is {device}, but no such GPU has a Vulkan driver; see double-resolution devices")
    return found[number]


def default_gpu() -> Gpu | None:
    """Return the GPU that "auto" takes: the first that is no software; None for the CPU."""
    if sys.platform == "linux" and not any(any(Path("/dev").glob(pattern)) for pattern in _LINUX_GPUS):
        return None  # software devices alone would cost 0.4 s
    return next((gpu for gpu in gpus() if not gpu.software), None)


def gpus() -> tuple[Gpu, ...]:
    """Find the Vulkan devices; the first call starts Vulkan, which must not happen before a fork."""
    with _searching:  # of two threads that silence errors at once, the later one would keep them silent
        return _search()


@cache
def _search() -> tuple[Gpu, ...]:
    if not _has_loader():  # without one, ncnn would print nine lines
        return ()
    import ncnn

    with _silenced_errors():  # native code prints four lines for each device
        if ncnn.create_gpu_instance():
            return ()
        return tuple(map(_gpu, range(ncnn.get_gpu_count())))


def _gpu(number: int) -> Gpu:
    import ncnn

    info, megabytes = ncnn.get_gpu_info(number), ncnn.get_gpu_device(number).get_heap_budget()
    return Gpu(number, info.device_name(), info.type() == _SOFTWARE, megabytes * _MEGABYTE)


def _has_loader() -> bool:
    for name in _LOADERS.get(sys.platform, _LINUX_LOADERS):
        with suppress(OSError):
            ctypes.CDLL(name)
            return True
    return False


@contextmanager
def _silenced_errors() -> Iterator[None]:
    """Discard what native code, which knows nothing of `sys.stderr`, writes to standard error."""
    try:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    except OSError:  # closed, as in a program without a console
        yield
        return
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
