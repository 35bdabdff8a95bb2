"""Worker processes: they make samples in the order of the tar, with a bounded queue."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from cluster.parent import when_orphaned
from feature_pipeline import samples
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import Attribution, Settings
from feature_pipeline.samples import Outcome
from feature_pipeline.tar import File

AHEAD = 4  # queued pictures for each worker

Job = tuple[File, Attribution | None]


def in_order(jobs: Iterable[Job], settings: Settings, workers: int) -> Generator[Outcome, None, None]:
    """Yield the samples of each picture, in order. Raises FeatureError if a worker dies."""
    # Spawned, not forked: the parent has threads and an open connection
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_start_worker)
    waiting: deque[Future[Outcome]] = deque()
    try:
        for file, attribution in jobs:
            waiting.append(pool.submit(samples.make, file, settings, attribution))
            if len(waiting) > AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise FeatureError(
            "a worker process died, probably out of memory; run the same command with fewer --workers to resume"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    when_orphaned(lambda: os._exit(1))  # it would wait for work for ever
