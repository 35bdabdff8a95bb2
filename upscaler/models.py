"""Find a model by what a person calls it: fast or best, a folder, or a repository on the Hugging Face Hub."""

import os
import re
import sys
from pathlib import Path

from upscaler import artifact, hub
from upscaler.artifact import Artifact
from upscaler.errors import HubUnreachableError, ModelError

FAST, BEST = BUNDLED = ("fast", "best")  # the models that ship
VARIABLE = "DOUBLE_RESOLUTION_MODEL"  # the environment's name for the model that a program uses
NAMES = f"{FAST}, {BEST}, a folder, or user/name[@revision] on the Hub"

_FOLDER = Path(__file__).parent / "bundled"


def wanted() -> str:
    """What the environment names as the model, or "fast"."""
    return os.environ.get(VARIABLE) or FAST


def find(model: str) -> Artifact:
    """Find "fast" or "best", a folder, or "user/name[@revision]", which is fetched once and then taken from the cache.

    Raises ModelError if there is no such model or it is broken, HubError if the Hub does not give it.
    """
    if model in BUNDLED:
        return artifact.read(_FOLDER / model, name=model)
    if Path(model).is_dir():
        return artifact.read(Path(model))
    if match := re.fullmatch(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", model):
        return hub.pull(match["repo"], match["revision"])
    raise ModelError(f"there is no model {model!r}; give {NAMES}")


def find_or_fast(model: str) -> Artifact:
    """As `find`, but the fast model where the Hub does not answer: for a server, which had better serve.

    The artifact's name says which it is, and standard error says why.
    """
    try:
        return find(model)
    except HubUnreachableError as error:
        print(f"warning: {error}; {FAST} serves instead", file=sys.stderr)
        return find(FAST)


def pinned(model: str) -> str:
    """Return a name by which `find` gives, without the Hub, what `find_or_fast` gives now. Raises what that raises."""
    if model in BUNDLED or Path(model).is_dir():
        return model
    found = find_or_fast(model)
    return found.name if found.name in BUNDLED else f"{found.name}@{found.folder.name}"
