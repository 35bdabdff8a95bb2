"""Find a model by what a person calls it: bundled, a folder, or a repository on the Hugging Face Hub."""

import re
from pathlib import Path

from upscaler import artifact
from upscaler.artifact import Artifact
from upscaler.errors import ModelError

BUNDLED = "bundled"
VARIABLE = "DOUBLE_RESOLUTION_MODEL"  # the environment's name for the model that a program uses

_BUNDLED_FOLDER = Path(__file__).parent / "bundled"
_REPOSITORY = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")
_FILES = [artifact.CONFIG, artifact.WEIGHTS, artifact.GRAPH, artifact.METRICS, artifact.CARD]


def find(model: str) -> Artifact:
    """Find "bundled", a folder, or "user/name[@revision]"; the last is fetched once and then taken from the cache.

    Raises ModelError if there is no such model or it is broken.
    """
    if model == BUNDLED:
        return artifact.read(_BUNDLED_FOLDER, name=BUNDLED)
    if Path(model).is_dir():
        return artifact.read(Path(model))
    if match := _REPOSITORY.fullmatch(model):
        return _pull(match["repo"], match["revision"])
    raise ModelError(f"there is no model {model!r}; give 'bundled', an artifact's folder, or user/name[@revision]")


def _pull(repo: str, revision: str | None) -> Artifact:
    # imported here, because it takes as long as all else and most programs need no Hub
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=_FILES))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise ModelError(f"the model {repo} cannot be fetched from the Hub: {first_line}") from error
    return artifact.read(folder, name=repo, revision=folder.name[:12])
