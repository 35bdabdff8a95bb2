"""All that a run needs to go on as if it had not been stopped, in one file that is whole or not there."""

import io
import pickle
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from training_pipeline.errors import TrainingError
from upscaler.atomic import atomic_path

FOLDER = "checkpoints"
BEST = "best.pt"
KEPT = 3

# What torch.load raises for files cut off at, or overwritten in, places chosen at random.
_BROKEN = (
    OSError, RuntimeError, EOFError, TypeError, ValueError, AttributeError, LookupError, pickle.UnpicklingError,
)  # fmt: skip


@dataclass
class Checkpoint:
    """A run after `step` steps. The next batch follows from the step, so the position in the data is that number.

    `configuration`: what must be the same for the run to go on. `seconds`: time spent. `log`: one row an evaluation.
    `states`: the state of each stateful part (network, average, optimiser, random generators), by name.
    """

    configuration: dict[str, Any]
    step: int
    seconds: float
    log: list[dict[str, Any]] = field(default_factory=list)
    states: dict[str, Any] = field(default_factory=dict)


def write(run: Path, checkpoint: Checkpoint) -> Path:
    """Write it beside the run's earlier ones, and remove all but the last three and the best."""
    path = run / FOLDER / f"step-{checkpoint.step:08}.pt"
    _save(path, checkpoint)
    for old in _steps(run)[:-KEPT]:
        old.unlink()
    return path


def write_best(run: Path, checkpoint: Checkpoint) -> None:
    """Write it as the run's best so far."""
    _save(run / FOLDER / BEST, checkpoint)


def read_best(run: Path) -> Checkpoint:
    """The checkpoint with the best evaluation. Raises TrainingError if it cannot be read."""
    return read(run / FOLDER / BEST)


def latest(run: Path) -> Checkpoint | None:
    """The last checkpoint that can be read, or None if the run has none; a broken one is named on standard error.

    Raises TrainingError if there are some and all are broken.
    """
    paths = _steps(run)
    for path in reversed(paths):
        try:
            return read(path)
        except TrainingError as error:
            print(f"warning: {error}; the one before is taken", file=sys.stderr)
    if paths:
        raise TrainingError(f"no checkpoint in {run / FOLDER} can be read; start again with another --out")
    return None


def read(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises TrainingError if it is missing, truncated or not one."""
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except _BROKEN as error:
        raise TrainingError(f"the checkpoint {path} cannot be read") from error


def _save(path: Path, checkpoint: Checkpoint) -> None:
    content = io.BytesIO()
    torch.save(vars(checkpoint), content)  # straight to the disk, it would hide that the disk is full
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getbuffer())


def _steps(run: Path) -> list[Path]:
    return sorted((run / FOLDER).glob("step-*.pt"))
