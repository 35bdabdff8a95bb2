"""Stations of this machine, each with a thread, a worker process and a core."""

import math
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from apps.serving.job_limits import MEMORY_SHARE
from batch_pipeline.catalogue import Task
from batch_pipeline.config import BatchConfig
from batch_pipeline.report import Record
from batch_pipeline.station import Station
from upscaler.engines.cores import cores
from upscaler.pictures import budget

LEAST = 2_000_000_000  # bytes for each worker, whose share is estimated for a photo of 12 megapixels with its model


def capacity(config: BatchConfig) -> tuple[int, int, int]:
    """Return the number of workers, and the bytes of memory and the cores of each."""
    available = budget.available_memory()
    number = config.workers or max(min(cores(), available // LEAST), 1)
    return number, int(MEMORY_SHARE * available) // number, math.ceil(cores() / number)


def records(tasks: Iterator[Task], config: BatchConfig) -> Generator[Record | None]:
    """Upscale the pictures, one at each station; yield the records as they come, None for a result that exists.

    Raises ModelError if the model cannot be loaded.
    """
    number, memory, engine_cores = capacity(config)
    stations = [Station(config, memory, engine_cores) for _ in range(number)]
    pool = ThreadPoolExecutor(number, "station")
    try:
        list(pool.map(Station.start, stations))
        yield from _worked(tasks, stations, pool)
    finally:
        for station in stations:
            station.close()  # which ends its picture
        pool.shutdown()
        for station in stations:
            station.close()  # a process that took the place of the ended one


def _worked(tasks: Iterator[Task], free: list[Station], pool: ThreadPoolExecutor) -> Iterator[Record | None]:
    """Give each free station the next picture, so that no more of them are taken than there are stations."""
    working: dict[Future[Record | None], Station] = {}
    for task in tasks:
        station = free.pop()
        working[pool.submit(station.double, task)] = station
        if not free:
            yield from _ended(working, free)
    while working:
        yield from _ended(working, free)


def _ended(working: dict[Future[Record | None], Station], free: list[Station]) -> Iterator[Record | None]:
    done, _ = wait(working, return_when=FIRST_COMPLETED)
    for future in done:
        free.append(working.pop(future))
        yield future.result()
