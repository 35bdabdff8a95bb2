"""Models for a worker: found and checked by the serving process, loaded by the worker."""

from pathlib import Path
from typing import Any

from upscaler import Upscaler
from upscaler.model import artifact
from upscaler.model.artifact import Artifact


def place_of(model: Artifact) -> dict[str, Any]:
    """Describe a model on the disk in JSON values, for `load`."""
    return {"folder": str(model.folder), "name": model.name, "revision": model.revision}


def load(folder: str, name: str, revision: str) -> Upscaler:
    """Load the model that `place_of` describes. Raises ModelError if it is gone or broken."""
    return Upscaler(artifact.read(Path(folder), name, revision))
