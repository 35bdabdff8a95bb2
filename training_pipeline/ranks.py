"""Processes that share a run, as torchrun starts them: each computes its part of every batch, on a GPU if there is one.

All take the same steps, because they step on the mean of their gradients. Only the first one's files are kept.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from torch import distributed as dist

from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError

T = TypeVar("T")


@contextmanager
def joined() -> Iterator[None]:
    """Join the processes that torchrun started; do nothing without it."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def count() -> int:
    """Return the number of processes of the run."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_count() -> int:
    """Return the number of processes of the run on this machine, which share its cores, memory and disk."""
    return int(os.environ["LOCAL_WORLD_SIZE"]) if dist.is_initialized() else 1


def is_first() -> bool:
    """Return True for the process whose files are kept."""
    return not dist.is_initialized() or dist.get_rank() == 0


def part() -> slice:
    """Return this process's part of a batch."""
    return slice(dist.get_rank(), None, count()) if dist.is_initialized() else slice(None)


def check(config: TrainingConfig) -> None:
    """Raise TrainingError if several processes cannot share the run."""
    shares = count() * config.accumulate
    if config.batch % shares:
        raise TrainingError(f"{count()} processes cannot share --batch {config.batch}; give a multiple of {shares}")
    if count() > 1 and config.device == "cpu" and torch.cuda.is_available():
        raise TrainingError("processes share a run on GPUs if there are any; leave out --device")
    if count() > 1 and config.minutes:
        raise TrainingError("processes differ in their clocks; give --steps instead of --minutes")
    if count() > 1 and config.dropout:
        raise TrainingError(
            f"--dropout {config.dropout} would drop the same channels in every process; leave it out, or train in one"
        )


@contextmanager
def folder(out: Path) -> Iterator[Path]:
    """Yield the folder for this process's files: `out` for the first process, a temporary one for others."""
    if is_first():
        yield out
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary) / out.name


def average(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its mean over the processes, in one message."""
    if count() == 1:
        return
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    flat /= count()
    for tensor, mean in zip(tensors, torch.split(flat, [tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(mean.view_as(tensor))


def of_first(value: T) -> T:
    """Return the first process's value in every process; it must be picklable."""
    if count() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def any_of(flag: bool) -> bool:
    """Return True if the flag is set in any process."""
    if count() == 1:
        return flag
    flags = torch.tensor(float(flag), device="cuda" if dist.get_backend() == "nccl" else "cpu")
    dist.all_reduce(flags)
    return bool(flags)
