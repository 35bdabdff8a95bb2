"""Batches made ahead of the training, by a thread or by processes."""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from itertools import count
from multiprocessing import get_context

import numpy as np
import torch
from numpy.typing import NDArray

from cluster.parent import when_orphaned
from training_pipeline.batches import Batch, Batches
from training_pipeline.decoded import DecodedTiles, decoded
from training_pipeline.errors import TrainingError

AHEAD = 8  # batches, and one more for each process

Arrays = tuple[NDArray[np.uint8], ...]


def prefetched(batches: Batches, step: int, processes: int = 0) -> Generator[Batch, None, None]:
    """Yield the batches from `step` on, endlessly. Raises TrainingError if a process dies.

    A thread suffices on a CPU, because decoding releases the GIL; a GPU needs several processes, above all for JPEG.
    """
    if not processes:
        yield from _made_ahead(ThreadPoolExecutor(1), batches.__getitem__, step, AHEAD)
        return
    with decoded(batches.tiles) as tiles:
        begun = replace(batches, decoded=tiles)
        pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (begun,))
        yield from _made_ahead(pool, _made, step, AHEAD + processes)


def _made_ahead(
    pool: Executor, make: Callable[[int], Arrays | Batch], step: int, ahead: int
) -> Generator[Batch, None, None]:
    try:
        waiting = deque(pool.submit(make, n) for n in range(step, step + ahead))
        for n in count(step + ahead):
            lr, hr = waiting.popleft().result()
            yield torch.as_tensor(lr), torch.as_tensor(hr)
            waiting.append(pool.submit(make, n))
    except BrokenProcessPool as error:
        raise TrainingError(
            "a loader process died, probably out of memory; free memory, and continue with --resume"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_batches: Batches  # of a loader process


def _begin(batches: Batches) -> None:
    global _batches
    _batches = batches
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the training ends its loaders
    when_orphaned(lambda: _end(batches.decoded))


def _end(tiles: DecodedTiles | None) -> None:
    """Remove the decoded tiles of a training that was killed, and end this process, which would wait for ever."""
    if tiles:
        tiles.remove()
    os._exit(1)


def _made(step: int) -> Arrays:
    """Make a batch as arrays, which reach the training as bytes; tensors would take shared memory."""
    return tuple(side.numpy() for side in _batches[step])
