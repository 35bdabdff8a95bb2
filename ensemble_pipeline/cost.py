"""Throughput and peak memory of an upscaling method, measured in a separate process."""

import multiprocessing
import re
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from upscaler import Upscaler, bicubic
from upscaler.model import artifact
from upscaler.pixels import Pixels

SIDE = 512  # pixels a side of the input
ROUNDS = 3  # the fastest counts: other load on the machine only adds time


@dataclass(frozen=True)
class Cost:
    """Throughput in output MP/s, and peak memory of the process in bytes, libraries included."""

    megapixels_per_second: float
    memory: int


def measure(model: Path | None, flips: bool = False) -> Cost:
    """Measure the model in a folder, or bicubic interpolation for None, on an input of 512x512 pixels."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_measure, model, flips).result()


def _measure(model: Path | None, flips: bool) -> Cost:
    picture = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    double = _double(model, flips)
    seconds = min(_seconds(double, picture) for _ in range(1 if flips else ROUNDS))
    return Cost(4 * SIDE**2 / 1e6 / seconds, peak_memory())


def _double(model: Path | None, flips: bool) -> Callable[[Pixels], Pixels]:
    if model is None:
        return bicubic.double
    upscaler = Upscaler(artifact.read(model))  # in the default precision
    return lambda picture: upscaler.upscale(picture, flips=flips)


def _seconds(double: Callable[[Pixels], Pixels], picture: Pixels) -> float:
    started = time.perf_counter()
    double(picture)
    return time.perf_counter() - started


def peak_memory() -> int:
    """Return this process's peak memory in bytes; with VmHWM, without the parent's memory at the fork."""
    status = Path("/proc/self/status")
    if status.exists() and (match := re.search(r"VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"))):
        return int(match[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
