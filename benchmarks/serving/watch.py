"""Monitoring of an app under load: latency of /health, and memory of its processes."""

import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

import httpx
import psutil

from benchmarks.serving.app import Served

PATIENCE = 60.0  # seconds; a longer silence counts as this one
SECONDS_BETWEEN = 0.5


class Watch:
    """Context that monitors the app. waits: seconds until /health answered. memory: (time, bytes)."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._over = threading.Event()
        self._threads = [threading.Thread(target=look) for look in (self._ask, self._weigh)]
        self.waits: list[float] = []
        self.memory: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        limits = httpx.Limits(max_keepalive_connections=0)  # a new connection each time, as a host's probe
        with httpx.Client(base_url=self._served.address, timeout=PATIENCE, limits=limits) as client:
            while not self._over.wait(SECONDS_BETWEEN):
                started = time.perf_counter()
                try:
                    client.get("/health").raise_for_status()
                    self.waits.append(time.perf_counter() - started)
                except httpx.HTTPError:
                    self.waits.append(PATIENCE)

    def _weigh(self) -> None:
        started = time.monotonic()
        with suppress(psutil.NoSuchProcess):  # the app has ended, which the report shows
            while not self._over.wait(SECONDS_BETWEEN) and self._served.alive:
                self.memory.append((time.monotonic() - started, self._served.memory()))
