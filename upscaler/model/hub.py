"""The Hugging Face Hub: models pulled from it, and whatever goes wrong there in one sentence."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

from upscaler.errors import HubError, HubUnreachableError, ModelError
from upscaler.model import artifact
from upscaler.model.artifact import Artifact, Origin

TIMEOUT = 10.0  # seconds without a byte
DEADLINE = 600.0  # seconds for a whole model, because a trickle never runs into TIMEOUT
TOKENS = "huggingface.co/settings/tokens"

_FILES = [*artifact.FILES, *artifact.JPEG_MODEL_FILES]
_COMMIT = re.compile("[0-9a-f]{40}")
MAX_BYTES = sum(map(artifact.limit, _FILES))


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
    if _COMMIT.fullmatch(revision or "") and not again:
        with suppress(HubError):
            return _cached(repo, revision)
    try:
        return _within(DEADLINE, lambda: _download(repo, revision, again), repo)
    except HubError:
        if not again:  # what is in the cache may be whole
            with suppress(HubError):
                return _cached(repo, revision)
        raise


def _cached(repo: str, revision: str | None) -> Path:
    with plain_errors(repo, revision):
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(repo, revision=revision, allow_patterns=_FILES, local_files_only=True))


def _download(repo: str, revision: str | None, again: bool) -> Path:
    """Fetch the artifact's files, and no other, after their sizes were asked."""
    with plain_errors(repo, revision):
        from huggingface_hub import HfApi, snapshot_download

        said = HfApi().model_info(repo, revision=revision, files_metadata=True, timeout=TIMEOUT)
        for file in said.siblings or []:
            if file.rfilename in _FILES and (file.size or 0) > artifact.limit(file.rfilename):
                raise HubError(
                    f"{file.rfilename} of {repo} has {file.size:,} bytes, so it is no model for this program; "
                    "give another repository"
                )
        return Path(
            snapshot_download(
                repo, revision=revision, allow_patterns=_FILES, force_download=again, tqdm_class=_bounded_bar()
            )
        )


def _within(seconds: float, work: Callable[[], Path], repo: str) -> Path:
    """Do `work` in a thread, which is left alone after `seconds`. Raises what it raises, and HubUnreachableError."""
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
            f"the Hub has not sent {repo} within {seconds:.0f} seconds; try again later"
        ) from error
    finally:
        if not result.done():
            close_session()  # so that the thread's next read fails


def _bounded_bar() -> Any:
    """A class of progress bars that end the download when far more comes than was said."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class BoundedBar(tqdm):
        monitor_interval = 0  # or each class starts a thread
        arrived = 0.0

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += n or 0
            if self.arrived > MAX_BYTES:
                raise HubError("the Hub sends more than a model has, so it is not taken; give another repository")
            return super().update(n)

    return BoundedBar


def _read(folder: Path, repo: str) -> Artifact:
    return artifact.read(folder, repo, folder.name[:12], Origin.HUB)


@contextmanager
def plain_errors(repo: str, revision: str | None = None) -> Iterator[None]:
    """Turn the errors of the Hub's client into HubError: HubUnreachableError where the Hub does not answer."""
    # imported here, because it takes as long as all else and most programs need no Hub
    import httpx2
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

    try:
        yield
    except HFValidationError as error:
        raise HubError(f"{repo!r} is not a name that the Hub allows; give user/name") from error
    except (httpx2.HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise _refusal(error, repo, revision) from error
    except (OSError, ValueError) as error:  # so the client says that other bytes came than were due
        if isinstance(error, OSError) and error.errno is not None:  # of this machine, such as a full disk
            raise
        raise HubUnreachableError(f"{repo} cannot be fetched ({_first_line(error)}); try again later") from error


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
