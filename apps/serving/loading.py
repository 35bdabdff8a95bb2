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
from upscaler.engines.choice import gpu_of
from upscaler.engines.devices import Device, Gpu
from upscaler.engines.engine import candidates
from upscaler.engines.precision import Choice, Precision
from upscaler.model import artifact
from upscaler.model.artifact import Artifact

_MEASURING = "apps.serving.measuring"


def choose(model: Artifact, precision: Precision | None = None, device: Device = "cpu") -> Choice:
    """Choose as `choose_on` does, but measure in another process. If it fails, return the usual precision and windows.

    Raises OptionError if there is no such device.
    """
    try:
        return choice.choose_on(device, model, precision, _measure_apart)
    except (JobRefusedError, WorkerError):  # the worker that loads the model will say why
        return candidates(model)[0]


def place_of(model: Artifact, chosen: Choice | None = None, device: Device = "cpu") -> dict[str, Any]:
    """Describe a model on disk, and how it is run, as JSON values, the arguments of `load`.

    chosen: by `choose`, which is called without it. device: on which it was chosen.
    """
    return {"model": _on_disk(model), "choice": asdict(chosen or choose(model)), "device": device}


def load(model: dict[str, str], choice: dict[str, Any], device: Device) -> Upscaler:
    """Load the model described by `place_of`.

    Raises ModelError if it is missing or broken, OptionError if this machine has no such device.
    """
    chosen = Choice(**choice)
    return Upscaler(read(**model), choice=chosen, gpu=gpu_of(chosen, device))


def read(folder: str, name: str, revision: str) -> Artifact:
    """Read a model from a folder. Raises ModelError if it is missing or broken."""
    return artifact.read(Path(folder), name, revision)


def _on_disk(model: Artifact) -> dict[str, str]:
    return {"folder": str(model.folder), "name": model.name, "revision": model.revision}


def _measure_apart(model: Artifact, choices: Sequence[Choice], gpu: Gpu | None) -> list[float]:
    device = f"gpu:{gpu.number}" if gpu else "cpu"
    configuration = {"model": _on_disk(model), "choices": [asdict(one) for one in choices], "device": device}
    with Worker(_MEASURING, configuration, JobLimits()) as worker:
        worker.start()
        costs: list[float] = worker.facts["costs"]
        return costs
