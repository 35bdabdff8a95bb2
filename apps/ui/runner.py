"""Thread that upscales the pictures of all batches, one after another, in the worker."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from apps.serving.messages import Update
from apps.serving.progress import RemainingTime
from apps.serving.refusal import RequestRefusedError, fault
from apps.serving.temporary import keep
from apps.serving.worker import JobRefusedError, Worker, WorkerError
from apps.ui.batch import Batch, Picture, Result, State
from apps.ui.batches import Batches
from apps.ui.pace import Pace
from upscaler.atomic import remove_parts
from upscaler.limits import duration

_WAIT = 1.0  # seconds between two clean-ups when nothing is to be done

_log = logging.getLogger(__name__)


class Runner:
    """Upscaling of queued pictures until it is stopped."""

    def __init__(self, worker: Worker, batches: Batches, check_space: Callable[[list[Path]], None]) -> None:
        """Set `check_space`, which raises RequestRefusedError if these folders of a visitor, or all, are too large."""
        self.pace = Pace()
        self._worker, self._batches, self._check_space = worker, batches, check_space
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="upscaling")

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the present picture, which the end of the worker ends."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            if task := self._batches.next(_WAIT):
                self._upscale(*task)
            self._batches.clean()

    def _upscale(self, batch: Batch, picture: Picture) -> None:
        started = time.monotonic()
        try:
            self._work(batch, picture)
        except (RequestRefusedError, JobRefusedError, WorkerError, OSError) as error:
            if picture.state is State.WORKING:  # otherwise it was cancelled, and its files may be gone
                reason = fault(error) if isinstance(error, OSError) else type(error).__name__  # no file names in logs
                _log.warning("a picture was refused: %s", reason)
                picture.end(State.FAILED, error_sentence(error, picture))
        except Exception:
            _log.exception("a picture ended unexpectedly")
            picture.end(State.FAILED, f"{picture.source.name} cannot be processed; export it again as PNG or JPEG.")
        finally:
            batch.seconds += time.monotonic() - started
            remove_parts(picture.folder)
            if batch.is_cancelled:
                batch.discard()  # what the worker wrote until it ended

    def _work(self, batch: Batch, picture: Picture) -> None:
        """Run the job; a picture that is no longer being worked on was cancelled, and closing the job ends it."""
        began = time.monotonic()
        self._check_time(batch, began)
        self._check_space(self._batches.folders_of(batch.visitor))
        arguments = {
            "model": batch.choices.model,
            "options": batch.choices.options(self._worker.limits.of_file),
            "source": str(picture.source),
            "target": str(picture.target),
            "previews": str(picture.folder) if batch.for_page else None,
        }
        remaining = RemainingTime()
        with closing(self._worker.run("double", arguments, Result)) as messages:
            for message in messages:
                if picture.state is not State.WORKING:
                    return
                self._batches.clean()
                if isinstance(message, Update):
                    self._check_time(batch, began)
                    keep([picture.source])
                    picture.share = message.share
                    picture.seconds_left = remaining.left(message.share, message.seconds)
                else:
                    self.pace.add(picture.source.stat().st_size, message.seconds)
                    picture.result = message
                    picture.end(State.DONE)

    def _check_time(self, batch: Batch, began: float) -> None:
        """Raise WorkerError if a batch has had the time of one job. began: time at which its present picture began.

        The worker limits the time of the first picture, whose sentence is another one.
        """
        limit = self._worker.limits.seconds
        if batch.seconds and batch.seconds + time.monotonic() - began > limit:
            raise WorkerError(
                f"is left out: these pictures together take longer than {duration(limit)}; give the rest afterwards"
            )


def error_sentence(error: Exception, picture: Picture) -> str:
    """Describe a failure in one sentence for the page, with the name of the file but not its path."""
    name = picture.source.name
    if isinstance(error, FileNotFoundError):
        return f"{name} is deleted by now; choose it again."
    if isinstance(error, RequestRefusedError):
        return f"{name} is left out: {error.sentence}."
    if isinstance(error, WorkerError):
        return f"{name} {error}."
    if isinstance(error, OSError):
        return f"{name} is left out: {fault(error)}; try again later."
    return str(error).replace(str(picture.source), name).replace(" or raise --max-pixels", "") + "."
