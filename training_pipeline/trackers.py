"""Trackers, which show a run's measures while it trains: TensorBoard and Weights & Biases."""

import os
import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from training_pipeline.config import TrackerName, TrainingConfig
from training_pipeline.errors import TrainingError
from training_pipeline.folder import TENSORBOARD, WANDB
from upscaler.atomic import write_text
from upscaler.links import followed

PROJECT = "double-resolution"  # on Weights & Biases, unless WANDB_PROJECT names another


class Tracker(Protocol):
    """Receiver of measures. A new one is a class here, an entry in `TRACKERS` and its name in `TrackerName`."""

    def show(self, step: int, measures: Mapping[str, float]) -> None:
        """Show measures after a step."""

    def close(self) -> None:
        """Send what is left."""


def check(config: TrainingConfig) -> None:
    """Raise TrainingError if the package of a tracker, named like it, is not installed."""
    for name in config.track:
        if find_spec(name) is None:
            raise TrainingError(f"--track {name} needs a package; run pip install {name}")


def start(config: TrainingConfig, step: int) -> list[Tracker]:
    """Start the trackers of a run that begins or resumes after `step`."""
    return [TRACKERS[name](config, step) for name in config.track]


class TensorBoard:
    """Event files in the run's folder, without what a resumed run repeats."""

    def __init__(self, config: TrainingConfig, step: int) -> None:
        module: Any = import_module("torch.utils.tensorboard")
        self._writer = module.SummaryWriter(str(config.out / TENSORBOARD), purge_step=step + 1 if step else 0)

    def show(self, step: int, measures: Mapping[str, float]) -> None:
        """Write the measures, for others to read."""
        for name, value in measures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class WeightsAndBiases:
    """A run on Weights & Biases, with the configuration; a resumed run continues it.

    Measures carry their step themselves, because the service ignores its own steps where a resumed run repeats them.
    """

    def __init__(self, config: TrainingConfig, step: int) -> None:
        wandb: Any = import_module("wandb")
        folder = config.out / WANDB
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", PROJECT),
                name=followed(config.out).name,
                id=_identity(folder / "id"),
                resume="allow",
                dir=str(config.out),
                config=config.as_json(),
            )
        except wandb.Error as error:
            raise TrainingError(
                f"Weights & Biases does not start ({error}); run wandb login, or set WANDB_MODE=offline"
            ) from error
        self._run.define_metric("*", step_metric="step")

    def show(self, step: int, measures: Mapping[str, float]) -> None:
        """Queue the measures."""
        self._run.log({"step": step, **measures})

    def close(self) -> None:
        """Send what is queued and end the run."""
        self._run.finish()


TRACKERS: dict[TrackerName, Callable[[TrainingConfig, int], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
}


def _identity(file: Path) -> str:
    """Return the name of the run for the service, kept in a file, so that a moved run remains the same."""
    if not file.exists():
        write_text(file, uuid.uuid4().hex)
    return file.read_text(encoding="utf-8")
