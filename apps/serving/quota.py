"""Room for uploads: bounded in all and for each visitor, also while many arrive at once."""

import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import Message, Receive

from apps.serving import temporary
from apps.serving.refusal import RequestRefusedError

_SHARE_EACH = 0.5  # of all room, that one visitor may fill


class Quota:
    """The bytes that uploads may take: together with all else in a folder, and of one visitor within a while."""

    def __init__(self, folder: Path, most_bytes: int, seconds: float) -> None:
        """`seconds`: how long files are kept, and a visitor's uploads count."""
        self._folder, self._most_bytes, self._seconds = folder, most_bytes, seconds
        self._arrived = 0  # bytes since the start
        self._taken: deque[tuple[float, str, int]] = deque()  # when, by whom, bytes

    @contextmanager
    def counted(self, receive: Receive, address: str, used: int, announced: int) -> Iterator[Receive]:
        """Give an ASGI `receive` that refuses what finds no room. `used`: bytes in the folder before.

        Raises RequestRefusedError at once if what is announced finds none.
        """
        own, before, mine = self._own(address), self._arrived, 0

        def check(coming: int) -> None:
            if used + self._arrived - before + coming > self._most_bytes:
                raise RequestRefusedError(507, "the server's disk is full of other photos; try again in an hour")
            if own + mine + coming > _SHARE_EACH * self._most_bytes:
                raise RequestRefusedError(507, "you have uploaded a lot within an hour; try again later")

        async def counting() -> Message:
            nonlocal mine
            message = await receive()
            more = len(message.get("body", b""))
            check(more)
            mine += more
            self._arrived += more
            return message

        check(announced)
        try:
            yield counting
        finally:
            self._taken.append((time.monotonic(), address, mine))

    def used(self) -> int:
        """Add up the bytes in the folder; takes time where there are many files."""
        return temporary.size_of(self._folder)

    def _own(self, address: str) -> int:
        while self._taken and self._taken[0][0] < time.monotonic() - self._seconds:
            self._taken.popleft()
        by_address: Counter[str] = Counter()
        for _, who, taken in self._taken:
            by_address[who] += taken
        return by_address[address]
