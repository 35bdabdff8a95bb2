"""Worker processes: pictures go out in the order of the tar and come back in it, a bounded number at a time."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from feature_pipeline import samples
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import Attribution, Settings
from feature_pipeline.samples import Outcome
from feature_pipeline.tar import File

AHEAD = 4  # pictures in the queue for each worker

Job = tuple[File, Attribution | None]


def in_order(jobs: Iterable[Job], settings: Settings, workers: int) -> Generator[Outcome, None, None]:
    """Make the samples of each picture. Raises FeatureError if a worker dies."""
    # Not forked: the parent has threads and an open connection
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin)
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
            "a worker process died, perhaps for want of memory; run the same command with fewer --workers, it goes on"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process when its parent was killed, or it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent:
        parent.join()
        os._exit(1)
