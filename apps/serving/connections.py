"""Connections: bounded in number, and closed when a client keeps the server waiting."""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from apps.serving.visitors import home

MOST = 500  # of all addresses; a process may open 1,024 files as a rule
_TO_ASK = 15.0  # seconds from the start of a connection, or the last answer, to the whole head of a request
_TO_TAKE = 60.0  # seconds in which a client must take some of what it was sent


class BoundedProtocol(H11Protocol):
    """HTTP on one connection, of at most `each` of one address."""

    each: ClassVar[int] = 100
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        own = sum(_address(other) == _address(self) for other in self.connections)
        if own > self.each or (len(self.connections) > MOST and not self._close_an_idle_one()):
            transport.abort()
        else:
            self._close_after(_TO_ASK)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self.is_idle:
            self._stop_timer()

    def on_response_complete(self) -> None:
        self._close_after(_TO_ASK)
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._close_after(_TO_TAKE)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_timer()

    def _close_an_idle_one(self) -> bool:
        """Close another connection on which nothing is asked for; returns False if there is none."""
        for other in self.connections:
            if isinstance(other, BoundedProtocol) and other is not self and other.is_idle:
                other.transport.abort()
                return True
        return False

    @property
    def is_idle(self) -> bool:
        """Return True if no request is being answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def _close_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _address(connection: asyncio.Protocol) -> str | None:
    client: tuple[str, int] | None = getattr(connection, "client", None)
    return home(client[0]) if client else None


class ProxiedProtocol(BoundedProtocol):
    """HTTP behind a proxy, whose address is that of all connections."""

    each = MOST
