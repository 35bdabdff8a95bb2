"""One piece of work, however many wait for it."""

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

News = TypeVar("News")


class Flight(Generic[News]):
    """A generator that runs in a thread of its own, and whose latest news many may follow."""

    def __init__(self, work: Callable[[], Iterator[News]]) -> None:
        """Start the work."""
        self._work = work
        self._changed = threading.Condition()
        self._latest: News | None = None
        self._count = 0
        self._error: BaseException | None = None
        self._landed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def landed(self) -> bool:
        """Whether the work has ended."""
        return self._landed

    def wait(self) -> None:
        """Wait for the work to end."""
        self._thread.join()

    def follow(self) -> Iterator[News]:
        """The latest news, then each that follows until the work ends; raises what it raised."""
        seen = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda seen=seen: self._count > seen or self._landed)  # type: ignore[misc]
                news, count, landed = self._latest, self._count, self._landed
            if news is not None and count > seen:
                seen = count
                yield news
            elif landed:
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
            self._error, self._landed = error, True
            self._changed.notify_all()


class Flights(Generic[News]):
    """Work under way, by key: who asks for the same joins it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Flight[News]] = {}

    def follow(self, key: Hashable, work: Callable[[], Iterator[News]]) -> Iterator[News]:
        """Follow the work of this key, started if it is not under way."""
        return self.start(key, work).follow()

    def start(self, key: Hashable, work: Callable[[], Iterator[News]]) -> Flight[News]:
        """The work of this key, started if it is not under way."""
        with self._lock:
            self._under_way = {k: flight for k, flight in self._under_way.items() if not flight.landed}
            if key not in self._under_way:
                self._under_way[key] = Flight(work)
            return self._under_way[key]

    def wait(self) -> None:
        """Wait for all work that is under way to end, and for what it starts."""
        while under_way := [flight for flight in self._all() if not flight.landed]:
            for flight in under_way:
                flight.wait()

    def _all(self) -> list[Flight[News]]:
        with self._lock:
            return list(self._under_way.values())
