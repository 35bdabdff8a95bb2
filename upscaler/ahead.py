"""Jobs that begin before their turn."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from typing import Generic, TypeVar

from upscaler.errors import PictureError

Key = TypeVar("Key")
Result = TypeVar("Result")


class Begun(Generic[Result]):
    """A job that has run to its first result, which is dropped; what it raised there is raised when it is iterated."""

    def __init__(self, job: Generator[Result, None, None]) -> None:
        """Run the job to its first result."""
        self._job = job
        self._failure: Exception | None = None
        try:
            next(job, None)
        except (PictureError, OSError) as error:
            self._failure = error

    def __iter__(self) -> Iterator[Result]:
        if self._failure:
            raise self._failure
        yield from self._job

    def close(self) -> None:
        """Close the job."""
        self._job.close()


def ahead(
    jobs: Iterable[tuple[Key, Generator[Result, None, None]]],
) -> Generator[tuple[Key, Begun[Result]], None, None]:
    """Yield jobs in their order, each when the next one has begun. Closing the iterator closes both."""
    begun: deque[tuple[Key, Begun[Result]]] = deque()
    try:
        for key, job in jobs:
            begun.append((key, Begun(job)))
            if len(begun) > 1:
                yield begun[0]
                begun.popleft()
        yield from begun
    finally:
        for _, left in begun:
            left.close()
