"""Request coalescing: one piece of work, however many wait for it."""

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

News = TypeVar("News")


class SharedWork(Generic[News]):
    """A generator that runs in a thread of its own, and whose latest news many may follow."""

    def __init__(self, work: Callable[[], Iterator[News]]) -> None:
        """Start the work."""
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
        """Whether the work has ended."""
        return self._ended

    def wait(self) -> None:
        """Wait for the work to end."""
        self._thread.join()

    def follow(self) -> Iterator[News]:
        """The latest news, then each that follows until the work ends; raises what it raised."""
        seen = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda seen=seen: self._count > seen or self._ended)  # type: ignore[misc]
                news, count, ended = self._latest, self._count, self._ended
            if news is not None and count > seen:
                seen = count
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
        except Exception as failure:  # handed to those who follow
            error = failure
        with self._changed:
            self._error, self._ended = error, True
            self._changed.notify_all()


class RequestCoalescing(Generic[News]):
    """Work under way, by key: who asks for the same joins it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, SharedWork[News]] = {}

    def follow(self, key: Hashable, work: Callable[[], Iterator[News]]) -> Iterator[News]:
        """Follow the work of this key, started if it is not under way."""
        return self.start(key, work).follow()

    def start(self, key: Hashable, work: Callable[[], Iterator[News]]) -> SharedWork[News]:
        """The work of this key, started if it is not under way."""
        with self._lock:
            self._under_way = {k: shared for k, shared in self._under_way.items() if not shared.ended}
            if key not in self._under_way:
                self._under_way[key] = SharedWork(work)
            return self._under_way[key]

    def wait(self) -> None:
        """Wait for all work that is under way to end, and for what it starts."""
        while under_way := [shared for shared in self._all() if not shared.ended]:
            for shared in under_way:
                shared.wait()

    def _all(self) -> list[SharedWork[News]]:
        with self._lock:
            return list(self._under_way.values())
