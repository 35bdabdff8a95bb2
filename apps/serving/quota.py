"""Quota of temporary files, in total and per visitor, enforced also for concurrent uploads and before each job."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import Message, Receive

from apps.serving import temporary
from apps.serving.refusal import RequestRefusedError

_SHARE_EACH = 0.5  # maximum share of one visitor
_FULL = "the server's disk is full of other photos; try again in an hour"


def check_space(folder: Path, most_bytes: int, own: Iterable[Path]) -> None:
    """Raise RequestRefusedError if a folder holds `most_bytes`, or its folders `own`, one visitor's, hold half of it.

    Slow with many files.
    """
    if temporary.size_of(*own) >= _SHARE_EACH * most_bytes:
        raise RequestRefusedError(
            507, "your photos take half of the server's disk; delete some, or try again in an hour"
        )
    if temporary.size_of(folder) >= most_bytes:
        raise RequestRefusedError(507, _FULL)


class Quota:
    """Quota in bytes for a folder with uploads, and for the recent uploads of each visitor."""

    def __init__(self, folder: Path, most_bytes: int, seconds: float) -> None:
        """Set the limits; `seconds`: lifetime of files, for which uploads count against their visitor."""
        self._folder, self._most_bytes, self._seconds = folder, most_bytes, seconds
        self._arrived = 0  # bytes since the start
        self._recent: deque[tuple[float, str, int]] = deque()  # time, address, bytes

    @contextmanager
    def counted(self, receive: Receive, address: str, used: int, announced: int) -> Iterator[Receive]:
        """Yield an ASGI `receive` that refuses bytes beyond the quota. `used`: bytes in the folder before.

        Raises RequestRefusedError at once if `announced` bytes exceed the quota.
        """
        earlier, arrived_before, received = self._recent_bytes(address), self._arrived, 0

        def check(size: int) -> None:
            if used + self._arrived - arrived_before + size > self._most_bytes:
                raise RequestRefusedError(507, _FULL)
            if earlier + received + size > _SHARE_EACH * self._most_bytes:
                raise RequestRefusedError(507, "you have uploaded a lot within an hour; try again later")

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            size = len(message.get("body", b""))
            check(size)
            received += size
            self._arrived += size
            return message

        check(announced)
        try:
            yield receive_counted
        finally:
            self._recent.append((time.monotonic(), address, received))

    def used(self) -> int:
        """Return the bytes in the folder; slow with many files."""
        return temporary.size_of(self._folder)

    def _recent_bytes(self, address: str) -> int:
        while self._recent and self._recent[0][0] < time.monotonic() - self._seconds:
            self._recent.popleft()
        by_address: Counter[str] = Counter()
        for _, uploader, size in self._recent:
            by_address[uploader] += size
        return by_address[address]
