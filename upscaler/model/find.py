"""Lookup of models by name: bundled (fast, best), a folder, or a repository on the Hugging Face Hub."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from upscaler.errors import HubError, HubUnreachableError, ModelError
from upscaler.links import followed
from upscaler.streams import warn

if TYPE_CHECKING:
    from upscaler.model.artifact import Artifact

FAST, BEST = BUNDLED = ("fast", "best")
VARIABLE = "DOUBLE_RESOLUTION_MODEL"  # environment variable with the default model
NAMES = f"{FAST}, {BEST}, a folder, or user/name[@revision] on the Hub"

_FOLDER = Path(__file__).parents[1] / "bundled"


def wanted() -> str:
    """Return the default model's name: from the environment, or "fast"."""
    return os.environ.get(VARIABLE) or FAST


def model(name: str) -> "Artifact":
    """Find "fast" or "best", a folder, or "user/name[@revision]", which is downloaded once and then cached.

    The artifact's `origin` tells which was found. Raises ModelError if there is no such model, it is broken, or "fast"
    or "best" is also a model's folder here, HubError if the Hub refuses it.
    """
    from upscaler.model import artifact  # takes a tenth of a second, which a --help should not wait for
    from upscaler.model.artifact import Origin

    if name in BUNDLED:
        if (Path(name) / artifact.CONFIG).exists() and not is_bundled(Path(name)):
            raise ModelError(
                f"{name!r} is a bundled model and the folder {followed(Path(name))}; give ./{name} for the folder, or "
                f"{_FOLDER / name} for the bundled model"
            )
        return artifact.read(_FOLDER / name, name=name, origin=Origin.BUNDLED)
    if (folder := Path(name)).is_dir():
        return artifact.read(folder, origin=Origin.BUNDLED if is_bundled(folder) else Origin.FOLDER)
    if match := re.fullmatch(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?", name):
        return _pull(match["repo"], match["revision"])
    raise ModelError(f"model {name!r} does not exist; give {NAMES}")


def _pull(repo: str, revision: str | None) -> "Artifact":
    """Pull a model from the Hub. Raises HubError, or ModelError if models lie where its name as a path would."""
    from upscaler.model import artifact, hub

    try:
        return hub.pull(repo, revision)
    except HubError as error:
        is_path = repo.startswith(".") or any(Path(repo).parent.glob(f"*/{artifact.CONFIG}"))
        if revision or not is_path:
            raise
        raise ModelError(f"{repo} is no folder here, and {error}") from error


def model_or_fast(name: str) -> "Artifact":
    """Find a model, falling back to the fast one if the Hub does not respond, so that a server still starts.

    The artifact's name tells which it is; a warning on standard error gives the reason.
    """
    try:
        return model(name)
    except HubUnreachableError as error:
        warn(f"{error}; using {FAST} instead")
        return model(FAST)


def pinned(name: str) -> str:
    """Return a name by which `model` finds offline what `model_or_fast` finds now. Raises as `model_or_fast` does."""
    if name in BUNDLED or Path(name).is_dir():
        return name
    found = model_or_fast(name)
    return found.name if found.name in BUNDLED else f"{found.name}@{found.folder.name}"


def is_bundled(folder: Path) -> bool:
    """Return True if a folder is inside the bundled models, which are read-only for every command."""
    return followed(folder).is_relative_to(followed(_FOLDER))
