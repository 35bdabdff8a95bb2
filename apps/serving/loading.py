"""Model loading for workers: the serving process finds and validates a model, the worker loads it."""

from pathlib import Path
from typing import Any

from upscaler import Upscaler
from upscaler.model import artifact
from upscaler.model.artifact import Artifact


def place_of(model: Artifact) -> dict[str, Any]:
    """Describe a model on disk as JSON values, the arguments of `load`."""
    return {"folder": str(model.folder), "name": model.name, "revision": model.revision}


def load(folder: str, name: str, revision: str) -> Upscaler:
    """Load the model described by `place_of`. Raises ModelError if it is missing or broken."""
    return Upscaler(artifact.read(Path(folder), name, revision))
