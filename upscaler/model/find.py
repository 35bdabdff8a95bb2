"""Models by the names that people give them: fast or best, a folder, or a repository on the Hugging Face Hub."""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from upscaler.errors import HubUnreachableError, ModelError

if TYPE_CHECKING:
    from upscaler.model.artifact import Artifact

FAST, BEST = BUNDLED = ("fast", "best")  # the models that ship
VARIABLE = "DOUBLE_RESOLUTION_MODEL"  # the environment's name for the model that a program uses
NAMES = f"{FAST}, {BEST}, a folder, or user/name[@revision] on the Hub"

_FOLDER = Path(__file__).parents[1] / "bundled"


def wanted() -> str:
    """Return what the environment names as the model, or "fast"."""
    return os.environ.get(VARIABLE) or FAST


def model(name: str) -> "Artifact":
    """Find "fast" or "best", a folder, or "user/name[@revision]", which is fetched once and then taken from the cache.

    A folder named as a bundled model is found under a path, such as "./fast". The artifact says what kind it is. Raises
    ModelError if there is no such model or it is broken, HubError if the Hub does not give it.
    """
    from upscaler.model import artifact, hub  # take a tenth of a second, which a --help should not wait for
    from upscaler.model.artifact import Origin

    if name in BUNDLED:
        return artifact.read(_FOLDER / name, name=name, origin=Origin.BUNDLED)
    if (folder := Path(name)).is_dir():
        return artifact.read(folder, origin=Origin.BUNDLED if is_bundled(folder) else Origin.FOLDER)
    if match := re.fullmatch(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", name):
        return hub.pull(match["repo"], match["revision"])
    raise ModelError(f"there is no model {name!r}; give {NAMES}")


def model_or_fast(name: str) -> "Artifact":
    """Find a model, or take the fast one where the Hub does not answer: for a server, which had better serve.

    The artifact's name says which it is, and standard error says why.
    """
    try:
        return model(name)
    except HubUnreachableError as error:
        print(f"warning: {error}; {FAST} serves instead", file=sys.stderr)
        return model(FAST)


def pinned(name: str) -> str:
    """Return a name by which `model` finds, without the Hub, what `model_or_fast` finds now, and raises likewise."""
    if name in BUNDLED or Path(name).is_dir():
        return name
    found = model_or_fast(name)
    return found.name if found.name in BUNDLED else f"{found.name}@{found.folder.name}"


def is_bundled(folder: Path) -> bool:
    """Return True if a folder lies among the models that ship, which no command writes to."""
    return folder.resolve().is_relative_to(_FOLDER.resolve())
