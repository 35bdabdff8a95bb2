"""Timing of an engine on windows of noise."""

import sys
import time

import numpy as np

from upscaler.engines.cores import cores
from upscaler.engines.engine import Engine
from upscaler.model.architecture import COLOURS

_ON_GPU = 4  # windows, as many as it computes at once


def seconds_per_window(engine: Engine, side: int, *, on_gpu: bool) -> float:
    """Run a window of `side` pixels, halo included, on each core, or some on the GPU; return the seconds for each."""
    clock, windows = (time.perf_counter, _ON_GPU) if on_gpu else (_seconds_of_cores, cores())
    noise = np.random.default_rng(0).random((1, COLOURS, side, side), np.float32)
    started = clock()
    for _ in engine.run((n, noise) for n in range(windows)):
        pass
    return (clock() - started) / windows


def _seconds_of_cores() -> float:
    """Return the CPU time so far as seconds of all cores at work; other programs hardly change it."""
    if sys.platform == "win32":  # which counts CPU time in steps of 16 ms
        return time.perf_counter()
    return time.process_time() / cores()
