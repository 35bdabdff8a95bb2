"""The Hugging Face Hub: models pulled from it, and whatever goes wrong there in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upscaler import artifact
from upscaler.artifact import Artifact
from upscaler.errors import HubError, HubUnreachableError, ModelError

TOKENS = "huggingface.co/settings/tokens"

_FILES = [*artifact.FILES, *artifact.FILES_FOR_JPEGS]


def pull(repo: str, revision: str | None) -> Artifact:
    """Fetch a model: a commit once, a branch or tag whenever it has moved; without the Hub, as it was fetched last.

    Raises HubError if the Hub refuses or does not answer, ModelError if what it gives is not a whole model.
    """
    try:
        return _read(_fetch(repo, revision), repo)
    except HubError:
        raise
    except ModelError:  # the cache may have been damaged since
        return _read(_fetch(repo, revision, again=True), repo)


def _fetch(repo: str, revision: str | None, again: bool = False) -> Path:
    with asking(repo, revision):
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(repo, revision=revision, allow_patterns=_FILES, force_download=again))


def _read(folder: Path, repo: str) -> Artifact:
    return artifact.read(folder, name=repo, revision=folder.name[:12])


@contextmanager
def asking(repo: str, revision: str | None = None) -> Iterator[None]:
    """Turn the errors of the Hub's client into HubError: HubUnreachableError where the Hub does not answer."""
    # imported here, because it takes as long as all else and most programs need no Hub
    import httpx2
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        yield
    except HFValidationError as error:
        raise HubError(f"{repo!r} is not a name that the Hub allows; give user/name") from error
    except (httpx2.HTTPError, LocalEntryNotFoundError) as error:
        raise _refusal(error, repo, revision) from error


def _refusal(error: Exception, repo: str, revision: str | None) -> HubError:
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, RevisionNotFoundError):
        return HubError(f"{repo} on the Hub has no revision {revision}; give a branch, a tag or a whole commit")
    if not isinstance(error, HfHubHTTPError) or error.response.status_code >= 500:
        return HubUnreachableError(f"the Hub does not answer, and {repo} is not in the cache; try again later")
    if isinstance(error, RepositoryNotFoundError):
        return HubError(f"the Hub shows no model {repo}; check the name, or set HF_TOKEN to a token that may read it")
    return HubError(_sentence(error.response.status_code, repo) or f"the Hub refused {repo}: {_first_line(error)}")


def _sentence(status: int, repo: str) -> str | None:
    return {
        401: f"the Hub does not accept the token; set HF_TOKEN to one of {TOKENS}, or run hf auth login",
        403: f"the token gives no right to do that with {repo}; make one that does at {TOKENS}",
    }.get(status)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
