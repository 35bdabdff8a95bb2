"""Checkpoints: the full state of a run in one file, written atomically, for an exact resume."""

import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch
from pydantic import BaseModel, NonNegativeInt

from training_pipeline import folder
from training_pipeline.errors import TrainingError
from training_pipeline.folder import CHECKPOINTS
from training_pipeline.journal import Row
from training_pipeline.schedule import is_constant
from upscaler import json_files
from upscaler.atomic import atomic_path
from upscaler.streams import warn

BEST = "best.pt"
KEPT = 3


class _Configuration(BaseModel, strict=True):
    """Schema of what is read of a checkpoint's configuration, besides comparing it."""

    steps: int | None


class _States(BaseModel, strict=True):
    """Schema of the states that all runs have; those of the optimisers are named by the configuration."""

    network: dict[str, Any]
    average: dict[str, Any]
    random: Any
    random_cuda: list[Any]
    loss: float = math.nan
    scaler: dict[str, Any] = {}


class _Content(BaseModel, strict=True):
    """Schema of a checkpoint's file."""

    configuration: _Configuration
    data: str
    step: NonNegativeInt
    seconds: float
    log: list[Row]
    states: _States
    split: tuple[int, ...] | None = None


@dataclass
class Checkpoint:
    """The state of a run after `step` steps; the step determines the next batch, so no data position is needed.

    `configuration`, `data` (a digest of the tiles) and `split` (their shards in each set): must be equal to resume.
    `seconds`: time spent. `log`: one row for each evaluation. `states`: the state of each stateful part (network, EMA,
    optimiser, random generators), by name.
    """

    configuration: dict[str, Any]
    data: str
    step: int
    seconds: float
    log: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)
    split: tuple[int, ...] | None = None  # older checkpoints lack it


def write(run: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint of the run; keep the last three, the best, and one from which the run may become longer."""
    path = folder.checkpoint(run, checkpoint.step)
    _save(path, checkpoint)
    schedule, steps = (checkpoint.configuration[name] for name in ("schedule", "steps"))
    paths = folder.checkpoints(run)
    constant = [step for step in paths if steps and is_constant(schedule, step / steps)]
    for old in paths.keys() - {*list(paths)[-KEPT:], *constant[-1:]}:
        paths[old].unlink()
    return path


def write_best(run: Path, checkpoint: Checkpoint) -> None:
    """Write the run's best checkpoint."""
    _save(run / CHECKPOINTS / BEST, checkpoint)


def has_best(run: Path) -> bool:
    """Return True if there is a best checkpoint: a run that continues from another folder's last one has none yet."""
    return (run / CHECKPOINTS / BEST).exists()


def read_best(run: Path) -> Checkpoint:
    """Read the checkpoint with the best evaluation. Raises TrainingError if it cannot be read."""
    return read(run / CHECKPOINTS / BEST)


def latest(run: Path, suits: Callable[[int], bool] = lambda _: True) -> Checkpoint | None:
    """Read the latest intact checkpoint, or return None if the run has none; warn of broken ones on standard error.

    suits: returns True for the steps whose checkpoints count. Raises TrainingError if all of these are broken.
    """
    paths = [path for step, path in folder.checkpoints(run).items() if suits(step)]
    for path in reversed(paths):
        try:
            return read(path)
        except TrainingError as error:
            warn(f"{error}; using the previous one")
    if paths:
        raise TrainingError(f"no checkpoint in {run / CHECKPOINTS} can be read; start again with another --out")
    return None


def read(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises TrainingError if it is missing or broken."""
    try:
        _check_archive(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
        json_files.check(content, _Content)
        return Checkpoint(**content)
    except MemoryError:
        raise
    except Exception as error:  # damaged bytes raise more than ten kinds
        raise TrainingError(f"the checkpoint {path} cannot be read") from error


def _check_archive(path: Path) -> None:
    """Raise BadZipFile if a checksum, which torch ignores, is wrong, or if the content is longer than the file."""
    with ZipFile(path) as archive:
        length = sum(member.file_size for member in archive.infolist())
        if length > path.stat().st_size or archive.testzip():
            raise BadZipFile


@contextmanager
def restoring(run: Path) -> Iterator[None]:
    """Raise TrainingError if the block cannot restore the states of the run's checkpoint."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise TrainingError(
            f"the states of a checkpoint in {run / CHECKPOINTS} do not fit the run; start again with another --out"
        ) from error


def _save(path: Path, checkpoint: Checkpoint) -> None:
    content = io.BytesIO()
    torch.save(vars(checkpoint), content)  # to memory: given a path, it would hide that the disk is full
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def remove_after(run: Path, step: int) -> None:
    """Remove the checkpoints after `step`, of a run that takes another course from there."""
    later = [path for number, path in folder.checkpoints(run).items() if number > step]
    if has_best(run) and read_best(run).step > step:
        later.append(run / CHECKPOINTS / BEST)
    for path in later:
        path.unlink()
