"""Request coalescing: concurrent requests for the same key share one task."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

_INTERVAL = 0.1  # seconds between two looks for news

News = TypeVar("News")


class Following(Generic[News]):
    """News for a thread, which waits for them, or for an event loop, where a visitor who waits holds no thread."""

    def __init__(self, news: Iterable[News | None]) -> None:
        """Set the news, with None where the next is not there yet."""
        self._news = news

    def __iter__(self) -> Iterator[News]:
        for news in self._news:
            if news is None:
                time.sleep(_INTERVAL)
            else:
                yield news

    async def __aiter__(self) -> AsyncIterator[News]:
        for news in self._news:
            if news is None:
                await asyncio.sleep(_INTERVAL)
            else:
                yield news


class SharedTask(Generic[News]):
    """A generator running in a thread, whose latest item any number of visitors may follow."""

    def __init__(self, work: Callable[[], Iterator[News]]) -> None:
        """Start the thread."""
        self._work = work
        self._lock = threading.Lock()
        self._latest: News | None = None
        self._count = 0
        self._error: BaseException | None = None
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        """True if the generator has ended."""
        return self._ended

    def wait(self) -> None:
        """Wait for the generator to end."""
        self._thread.join()

    def follow(self) -> Following[News]:
        """Follow the latest item, then newer ones until the generator ends, whose exception is raised again.

        A slow follower skips items.
        """
        return Following(self._news())

    def _news(self) -> Iterator[News | None]:
        followed = 0
        while True:
            with self._lock:
                news, count, ended = self._latest, self._count, self._ended
            if count > followed:
                followed = count
                yield news
            elif ended:
                break
            else:
                yield None
        if self._error:
            raise self._error

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for news in self._work():
                with self._lock:
                    self._latest, self._count = news, self._count + 1
        except Exception as failure:  # re-raised in `follow`
            error = failure
        with self._lock:
            self._error, self._ended = error, True


class RequestCoalescing(Generic[News]):
    """Running tasks by key; a request for a running key joins it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, SharedTask[News]] = {}

    def follow(self, key: Hashable, work: Callable[[], Iterator[News]]) -> Following[News]:
        """Follow the task of a key, starting it if it is not running."""
        return self.start(key, work).follow()

    def join(self, key: Hashable) -> Following[News] | None:
        """Follow the running task of a key; None if there is none."""
        with self._lock:
            task = self._running.get(key)
        return task.follow() if task and not task.ended else None

    def start(self, key: Hashable, work: Callable[[], Iterator[News]]) -> SharedTask[News]:
        """Return the task of a key, starting it if it is not running."""
        with self._lock:
            self._running = {other: task for other, task in self._running.items() if not task.ended}
            if key not in self._running:
                self._running[key] = SharedTask(work)
            return self._running[key]

    def wait(self) -> None:
        """Wait for all running tasks, and for those that they start."""
        while running := [task for task in self._all() if not task.ended]:
            for task in running:
                task.wait()

    def _all(self) -> list[SharedTask[News]]:
        with self._lock:
            return list(self._running.values())
