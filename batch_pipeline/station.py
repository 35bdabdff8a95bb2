"""Station: a worker process, with the places that it takes pictures from and publishes results to."""

import errno
import time
from contextlib import closing
from dataclasses import asdict
from typing import Any, Self, TypeVar

from pydantic import BaseModel

from apps.serving import loading
from apps.serving.job_limits import JobLimits
from apps.serving.worker import JobRefusedError, Worker, WorkerError
from batch_pipeline import places
from batch_pipeline.catalogue import Task
from batch_pipeline.config import BatchConfig
from batch_pipeline.errors import AppearedError, UnreadableError
from batch_pipeline.report import Record
from cluster.errors import StorageError
from upscaler.command import sentence_for
from upscaler.errors import DoubleResolutionError, ModelError
from upscaler.model import find

PROGRAM = "batch_pipeline.worker"
STORAGE, WORKER = "storage", "worker crashed or exceeded a limit"  # reasons of failures, beside names of errors
_LASTING = (errno.ENAMETOOLONG, errno.EISDIR)  # system errors of one name, which time does not mend
_SECONDS = 2 * 3600.0  # wall clock of a picture, and CPU time on each core: only against one that never ends


Result = TypeVar("Result", bound=BaseModel)


class Outcome(BaseModel):
    """Answer of the worker to `double`, or what kept it from one. Its fields are those of a `Record`."""

    size: tuple[int, int] | None = None
    target_size: tuple[int, int] | None = None
    warnings: tuple[str, ...] = ()
    error: str | None = None
    reason: str = ""
    passing: bool = False


class Measured(BaseModel):
    """Answer of the worker to `measure`: output megapixels of a picture, and the predicted seconds."""

    megapixels: float = 0.0
    seconds: float = 0.0
    error: str | None = None


class _RefusedError(DoubleResolutionError):
    """Error for a picture that the worker refused, so that nothing is published."""


class Station:
    """A worker that upscales one picture at a time."""

    def __init__(self, config: BatchConfig, memory: int, cores: int) -> None:
        """Start loading the model. memory: bytes of the process. cores: of its engine. Raises ModelError."""
        self._source, self._target = places.at(config.place(config.source)), places.at(config.place(config.out))
        model = find.model(config.model)
        self._revision = model.revision
        self._options = config.options(memory * 2 // 3)  # the rest is the model, and what the estimate misses
        limits = JobLimits(memory=memory, cpu_seconds=_SECONDS * cores, seconds=_SECONDS)
        place = loading.place_of(model, config.choice, config.device)
        self._worker = Worker(PROGRAM, {"model": place, "cores": cores}, limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Wait until the model is loaded. Raises ModelError."""
        try:
            self._worker.start()
        except JobRefusedError as error:
            raise ModelError(str(error)) from error
        except WorkerError as error:
            raise ModelError(f"the worker process {error}; give another --model or fewer --workers") from error

    def close(self) -> None:
        """Kill the process, even during a picture."""
        self._worker.close()

    def double(self, task: Task) -> Record | None:
        """Upscale a picture; return its record, also of a failure; None if the output holds it by now."""
        began = time.monotonic()
        try:
            if self._target.has(task.target):
                return None
            outcome = self._doubled(task)
        except AppearedError:
            return None
        except Exception as error:
            outcome = _failure(task, error)
        return Record(
            source=task.source,
            target=task.target,
            model=self._revision,
            seconds=round(time.monotonic() - began, 3),
            **outcome.model_dump(),
        )

    def record_of_result(self, task: Task) -> Record:
        """Return the record of a picture whose result is there, without its sizes."""
        return Record(source=task.source, target=task.target, model=self._revision)

    def measure(self, task: Task) -> Measured:
        """Return the cost of a picture, or the error of one that cannot be read. Raises StorageError."""
        try:
            with self._source.reading(task.source) as source:
                arguments = {"source": str(source), "options": asdict(self._options)}
                return self._last("measure", arguments, Measured)
        except (OSError, UnreadableError, JobRefusedError, WorkerError) as error:
            return Measured(error=_failure(task, error).error)

    def _doubled(self, task: Task) -> Outcome:
        with self._source.reading(task.source) as source:
            try:
                with self._target.writing(task.target) as target:
                    arguments = {"source": str(source), "target": str(target), "options": asdict(self._options)}
                    outcome = self._last("double", arguments, Outcome)
                    if outcome.error:
                        raise _RefusedError
            except _RefusedError:
                pass
            named = [text.replace(str(source), task.source) for text in (outcome.error or "", *outcome.warnings)]
        return outcome.model_copy(update={"error": named[0] or None, "warnings": tuple(named[1:])})

    def _last(self, job: str, arguments: dict[str, Any], result: type[Result]) -> Result:
        with closing(self._worker.run(job, arguments, result)) as messages:
            *_, last = messages
        assert isinstance(last, result)
        return last


def _failure(task: Task, error: Exception) -> Outcome:
    """Describe a failure; an unreadable file or an impossible name fails alone, other system errors may pass."""
    if isinstance(error, WorkerError):
        return Outcome(error=f"{task.source} {error}", reason=WORKER)
    if isinstance(error, StorageError):
        return Outcome(error=str(error), reason=STORAGE, passing=True)
    if isinstance(error, UnreadableError):
        return Outcome(error=str(error), reason=error.reason)
    if isinstance(error, OSError):
        code = errno.errorcode.get(error.errno or 0, "unknown")
        if error.errno in _LASTING:
            return Outcome(error=sentence_for(error), reason=code)
        return Outcome(error=sentence_for(error), reason=f"system: {code}", passing=True)
    return Outcome(error=f"{task.source}: {error or type(error).__name__}", reason=type(error).__name__)
