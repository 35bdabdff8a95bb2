"""Find a model by what a person calls it: bundled, a folder, or a repository on the Hugging Face Hub."""

import os
import re
import sys
from pathlib import Path

from upscaler import artifact, hub
from upscaler.artifact import Artifact
from upscaler.errors import HubUnreachableError, ModelError

BUNDLED = "bundled"
VARIABLE = "DOUBLE_RESOLUTION_MODEL"  # the environment's name for the model that a program uses

_BUNDLED_FOLDER = Path(__file__).parent / "bundled"
_REPOSITORY = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def wanted() -> str:
    """What the environment names as the model, or "bundled"."""
    return os.environ.get(VARIABLE) or BUNDLED


def find(model: str) -> Artifact:
    """Find "bundled", a folder, or "user/name[@revision]"; the last is fetched once and then taken from the cache.

    Raises ModelError if there is no such model or it is broken, HubError if the Hub does not give it.
    """
    if model == BUNDLED:
        return artifact.read(_BUNDLED_FOLDER, name=BUNDLED)
    if Path(model).is_dir():
        return artifact.read(Path(model))
    if match := _REPOSITORY.fullmatch(model):
        return hub.pull(match["repo"], match["revision"])
    raise ModelError(f"there is no model {model!r}; give 'bundled', an artifact's folder, or user/name[@revision]")


def find_or_bundled(model: str) -> Artifact:
    """As `find`, but the bundled model where the Hub does not answer: for a server, which had better serve.

    The artifact's name says which it is, and standard error says why.
    """
    try:
        return find(model)
    except HubUnreachableError as error:
        print(f"warning: {error}; the bundled model serves instead", file=sys.stderr)
        return find(BUNDLED)
