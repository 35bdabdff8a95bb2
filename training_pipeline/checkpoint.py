"""All that a run needs to go on as if it had not been stopped, in one file that is whole or not there."""

import pickle
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from upscaler.atomic import atomic_path
from upscaler.errors import TrainingError

FOLDER = "checkpoints"
BEST = "best.pt"
KEPT = 3


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


def latest(run: Path, configuration: dict[str, Any]) -> Checkpoint | None:
    """The last checkpoint that can be read, or None; a broken one is named on standard error and passed over.

    Raises TrainingError if it was made by another configuration.
    """
    for path in reversed(_steps(run)):
        try:
            checkpoint = read(path)
        except TrainingError as error:
            print(f"warning: {error}; the one before is taken", file=sys.stderr)
            continue
        _check_same(checkpoint.configuration, configuration, path)
        return checkpoint
    return None


def read(path: Path) -> Checkpoint:
    """Read a checkpoint. Raises TrainingError if it is missing, truncated or not one."""
    try:
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        raise TrainingError(f"the checkpoint {path} cannot be read") from error


def _save(path: Path, checkpoint: Checkpoint) -> None:
    with atomic_path(path) as temporary:
        torch.save(vars(checkpoint), temporary)


def _steps(run: Path) -> list[Path]:
    return sorted((run / FOLDER).glob("step-*.pt"))


def _check_same(recorded: dict[str, Any], asked: dict[str, Any], path: Path) -> None:
    for key in sorted(recorded.keys() | asked.keys()):
        if recorded.get(key) != asked.get(key):
            raise TrainingError(
                f"{path} was made with {key} {recorded.get(key)}, not {asked.get(key)}; "
                "resume with the same configuration, or start in another folder"
            )
