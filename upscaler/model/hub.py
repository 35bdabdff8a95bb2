"""Downloads from the Hugging Face Hub, and conversion of its client's errors."""

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from upscaler.errors import HubError, HubUnreachableError, ModelError
from upscaler.model import artifact
from upscaler.model.artifact import Artifact, Origin
from upscaler.quoting import first_line
from upscaler.streams import warn

TIMEOUT = 10.0  # seconds without data
DEADLINE = 600.0  # seconds for a whole model, because a slow trickle never reaches TIMEOUT
TOKENS = "huggingface.co/settings/tokens"

_FILES = [*artifact.FILES, *artifact.JPEG_MODEL_FILES]
_COMMIT = re.compile("[0-9a-f]{40}")
MAX_BYTES = sum(map(artifact.limit, _FILES))
_MAX_COMPANION_BYTES = sum(map(artifact.limit, artifact.COMPANIONS))


def pull(repo: str, revision: str | None) -> Artifact:
    """Download a model: a commit once, a branch or tag whenever it has moved; offline, use the cached version.

    Raises HubError if the Hub refuses or does not respond, ModelError if the download is not a complete model.
    """
    try:
        return _read(_fetch(repo, revision), repo)
    except HubError:
        raise
    except ModelError:  # the cached files may be damaged
        return _read(_fetch(repo, revision, again=True), repo)


def check_name(repo: str) -> None:
    """Raise HubError unless a repository is named as user/name."""
    with plain_errors(repo):
        from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

        validate_repo_id(repo)
    if "/" not in repo:
        raise HubError(f"{repo!r} names no owner; give user/name")


def check_token() -> None:
    """Raise HubError without a token for the Hub."""
    from huggingface_hub import get_token

    if get_token() is None:
        raise HubError("there is no token for the Hub; set HF_TOKEN to one with write access, or run hf auth login")


def fetch_companions(model: Artifact) -> None:
    """Download the credits of a pulled model's photos and its card's picture, which upscaling does not need, beside it.

    Prints a warning if the Hub does not respond, and there are no credits yet. Raises HubError if it refuses.
    """
    if model.origin is not Origin.HUB:
        return
    repo, commit = model.name, model.folder.name
    try:
        _within(DEADLINE, lambda: _download(repo, commit, artifact.COMPANIONS, _MAX_COMPANION_BYTES), repo)
    except HubUnreachableError as error:
        if not (model.folder / artifact.ATTRIBUTION).exists():
            warn(f"{error}; the credits of its training photos may be missing")


def _fetch(repo: str, revision: str | None, again: bool = False) -> Path:
    if _COMMIT.fullmatch(revision or "") and not again:
        with suppress(HubError):
            return _cached(repo, revision)
    try:
        return _within(DEADLINE, lambda: _download(repo, revision, _FILES, MAX_BYTES, again), repo)
    except HubError:
        if not again:  # the cached model may be complete
            with suppress(HubError):
                return _cached(repo, revision)
        raise


def _cached(repo: str, revision: str | None) -> Path:
    with plain_errors(repo, revision):
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(repo, revision=revision, allow_patterns=_FILES, local_files_only=True))


def _download(repo: str, revision: str | None, names: Sequence[str], most: int, again: bool = False) -> Path:
    """Download only these files of an artifact, at most so many bytes, after checking their sizes."""
    with plain_errors(repo, revision):
        from huggingface_hub import HfApi, snapshot_download

        info = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT)
        for file in info.siblings or []:
            if file.rfilename in names and (file.size or 0) > artifact.limit(file.rfilename):
                raise HubError(
                    f"{file.rfilename} of {repo} has {file.size:,} bytes, more than the limit of "
                    f"{artifact.limit(file.rfilename):,}; give another repository"
                )
        return Path(
            snapshot_download(
                repo,
                revision=revision,
                allow_patterns=list(names),
                force_download=again,
                tqdm_class=_bounded_bar(most),
            )
        )


def _within(seconds: float, work: Callable[[], Path], repo: str) -> Path:
    """Run `work` in a thread for at most `seconds`. Raises its exceptions, and HubUnreachableError on timeout."""
    from huggingface_hub import close_session

    result: Future[Path] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return result.result(seconds)
    except TimeoutError as error:
        if result.done():
            raise
        raise HubUnreachableError(
            f"the download of {repo} from the Hub did not finish within {seconds:.0f} seconds; try again later"
        ) from error
    finally:
        if not result.done():
            close_session()  # so that the thread's next read fails


def _bounded_bar(most: int) -> Any:
    """Return a progress bar class that aborts a download of more than `most` bytes."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class BoundedBar(tqdm):
        monitor_interval = 0  # otherwise each class starts a thread
        arrived = 0.0

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += n or 0
            if self.arrived > most:
                raise HubError(f"the download exceeds the limit of {most:,} bytes for a model; give another repository")
            return super().update(n)

    return BoundedBar


def _read(folder: Path, repo: str) -> Artifact:
    return artifact.read(folder, repo, folder.name[:12], Origin.HUB)


@contextmanager
def plain_errors(repo: str, revision: str | None = None) -> Iterator[None]:
    """Convert errors of the Hub's client into HubError, or HubUnreachableError if the Hub does not respond."""
    # imported here because it doubles the start-up time and most runs need no Hub
    import httpx2
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        yield
    except HFValidationError as error:
        raise HubError(f"{repo!r} is not a valid repository name; give user/name") from error
    except (httpx2.HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise _refusal(error, repo, revision) from error
    except (OSError, ValueError) as error:  # the client's errors for truncated or corrupt downloads
        if isinstance(error, OSError) and error.errno is not None:  # a local error, such as a full disk
            raise
        raise HubUnreachableError(f"{repo} cannot be downloaded ({first_line(error)}); try again later") from error


def _refusal(error: Exception, repo: str, revision: str | None) -> HubError:
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, RevisionNotFoundError):
        return HubError(f"{repo} on the Hub has no revision {revision}; give a branch, a tag or a full commit hash")
    if not isinstance(error, HfHubHTTPError) or error.response.status_code >= 500:
        return HubUnreachableError(f"the Hub does not respond, and {repo} is not cached; try again later")
    if isinstance(error, RepositoryNotFoundError):
        return HubError(f"the Hub has no model {repo}; check the name, or set HF_TOKEN to a token with read access")
    return HubError(_sentence(error.response.status_code, repo) or f"the Hub refused {repo}: {first_line(error)}")


def _sentence(status: int, repo: str) -> str | None:
    return {
        401: f"the Hub does not accept the token; set HF_TOKEN to one from {TOKENS}, or run hf auth login",
        403: f"the token has no permission for this operation on {repo}; create one that has at {TOKENS}",
    }.get(status)
