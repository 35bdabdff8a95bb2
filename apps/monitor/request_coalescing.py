"""Request coalescing: concurrent requests for the same key share one task."""

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

News = TypeVar("News")


class SharedTask(Generic[News]):
    """A generator running in a thread, whose latest item any number of threads may follow."""

    def __init__(self, work: Callable[[], Iterator[News]]) -> None:
        """Start the thread."""
        self._work = work
        self._changed = threading.Condition()
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

    def follow(self) -> Iterator[News]:
        """Yield the latest item, then newer ones until the generator ends; re-raise its exception.

        A slow follower skips items.
        """
        followed = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda followed=followed: self._count > followed or self._ended)  # type: ignore[misc]
                news, count, ended = self._latest, self._count, self._ended
            if news is not None and count > followed:
                followed = count
                yield news
            elif ended:
                break
        if self._error:
            raise self._error

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            for news in self._work():
                with self._changed:
                    self._latest, self._count = news, self._count + 1
                    self._changed.notify_all()
        except Exception as failure:  # re-raised in `follow`
            error = failure
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()


class RequestCoalescing(Generic[News]):
    """Running tasks by key; a request for a running key joins it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, SharedTask[News]] = {}

    def follow(self, key: Hashable, work: Callable[[], Iterator[News]]) -> Iterator[News]:
        """Follow the task of a key, starting it if it is not running."""
        return self.start(key, work).follow()

    def join(self, key: Hashable) -> Iterator[News] | None:
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
