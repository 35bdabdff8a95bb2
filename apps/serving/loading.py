"""Model loading for workers: the serving process finds and validates a model, and chooses how it is run.

So each worker process runs it in the same way, and none measures while others compute.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from apps.serving.job_limits import JobLimits
from apps.serving.worker import JobRefusedError, Worker, WorkerError
from upscaler import Upscaler
from upscaler.engines import choice
from upscaler.engines.devices import Gpu
from upscaler.engines.engine import candidates
from upscaler.engines.precision import Choice
from upscaler.model import artifact
from upscaler.model.artifact import Artifact

_MEASURING = "apps.serving.measuring"


def choose(model: Artifact) -> Choice:
    """Choose the precision and windows; another process measures. If it fails, return the usual ones."""
    try:
        return choice.choose(model, measure=_measure_apart)
    except (JobRefusedError, WorkerError):  # the worker that loads the model will say why
        return candidates(model)[0]


def place_of(model: Artifact, chosen: Choice | None = None) -> dict[str, Any]:
    """Describe a model on disk, and how it is run, as JSON values, the arguments of `load`.

    chosen: by `choose`, which is called without it.
    """
    return {"model": _on_disk(model), "choice": asdict(chosen or choose(model))}


def load(model: dict[str, str], choice: dict[str, Any]) -> Upscaler:
    """Load the model described by `place_of`. Raises ModelError if it is missing or broken."""
    return Upscaler(read(**model), choice=Choice(**choice))


def read(folder: str, name: str, revision: str) -> Artifact:
    """Read a model from a folder. Raises ModelError if it is missing or broken."""
    return artifact.read(Path(folder), name, revision)


def _on_disk(model: Artifact) -> dict[str, str]:
    return {"folder": str(model.folder), "name": model.name, "revision": model.revision}


def _measure_apart(model: Artifact, choices: Sequence[Choice], _: Gpu | None) -> list[float]:
    configuration = {"model": _on_disk(model), "choices": [asdict(one) for one in choices]}
    with Worker(_MEASURING, configuration, JobLimits()) as worker:
        worker.start()
        costs: list[float] = worker.facts["costs"]
        return costs
