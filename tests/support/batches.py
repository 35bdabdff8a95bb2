"""Batches of the web UI, upscaled without its page."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apps.serving.job_limits import JobLimits
from apps.serving.worker import Worker
from apps.ui.batch import Batch
from apps.ui.batches import Batches
from apps.ui.choices import Choices
from apps.ui.runner import Runner

PATIENCE = 120.0  # seconds
VISITOR = "192.0.2.1"


class ScriptedWorker(Worker):
    """A worker whose jobs are a function of their arguments, in this process."""

    def __init__(self, work: Callable[[dict[str, Any]], Generator[Any]], seconds: float = 60) -> None:
        super().__init__("no.program", {}, JobLimits(memory=1, cpu_seconds=1, seconds=seconds))
        self._work = work

    def run(self, job: str, arguments: Any, result: Any) -> Generator[Any]:
        return self._work(arguments)


def registry(folder: Path, most_waiting: int = 10, jobs_each: int = 10, keep_seconds: float = 3600) -> Batches:
    """Return an empty registry of batches."""
    return Batches(folder / "work", most_waiting, jobs_each, keep_seconds)


@contextmanager
def running(
    worker: Worker, batches: Batches, check_space: Callable[[list[Path]], None] = lambda _: None
) -> Iterator[Runner]:
    """Upscale the batches' pictures while the block runs."""
    runner = Runner(worker, batches, check_space)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()


def given(batches: Batches, files: Sequence[Path], **choices: Any) -> Batch:
    """Queue files as one batch; its model is the one of the fixture `tiny_model`, unless given."""
    batch = batches.create(VISITOR, Choices(**{"model": "tiny_model"} | choices))
    for file in files:
        batches.add(batch, file)
    return batch


def wait_for(batch: Batch) -> Batch:
    """Wait until no work remains."""
    until(lambda: not batch.is_pending)
    return batch


def until(condition: Any) -> None:
    """Wait until a condition is true. Raises AssertionError if it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.02)


def upscaled(worker: Worker, folder: Path, files: Sequence[Path], **choices: Any) -> Batch:
    """Upscale files as one batch, whose results go to `folder`."""
    batches = registry(folder)
    with running(worker, batches):
        return wait_for(given(batches, files, **choices))
