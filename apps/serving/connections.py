"""Connection limits per address and in total, and timeouts for idle and slow clients."""

import asyncio
from collections import Counter
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

from apps.serving.visitors import network_of

MOST = 500  # of all addresses; the usual limit on open files per process is 1,024
_REQUEST_TIMEOUT = 15.0  # seconds from the connection, or the last response, to a complete request head
_WRITE_TIMEOUT = 60.0  # seconds in which a client must read some of the response


class BoundedProtocol(H11Protocol):
    """HTTP protocol of one connection. each: maximum connections per address."""

    each: ClassVar[int] = 100
    _open: ClassVar[Counter[str]] = Counter()  # connections of each address
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = network_of(self.client[0]) if self.client else ""
        self._open[self._address] += 1
        too_many = self._open[self._address] > self.each
        if too_many or (len(self.connections) > MOST and not self._close_an_idle_one()):
            transport.abort()
        else:
            self._close_after(_REQUEST_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._open[self._address] -= 1
        if not self._open[self._address]:
            del self._open[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not (self.is_idle or self.flow.write_paused):  # then it must read first
            self._stop_timer()

    def on_response_complete(self) -> None:
        self._wait_for_client()
        super().on_response_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._close_after(_WRITE_TIMEOUT)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.is_idle:
            self._wait_for_client()
        else:
            self._stop_timer()

    def _close_an_idle_one(self) -> bool:
        """Close another connection without a request in progress; return False if there is none."""
        for other in self.connections:
            if isinstance(other, BoundedProtocol) and other is not self and other.is_idle:
                other.transport.abort()
                return True
        return False

    @property
    def is_idle(self) -> bool:
        """True if no request is in progress."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def _wait_for_client(self) -> None:
        """Close the connection unless the client reads the rest of the response, or sends its next request, in time."""
        self._close_after(_WRITE_TIMEOUT if self.transport.get_write_buffer_size() else _REQUEST_TIMEOUT)

    def _close_after(self, seconds: float) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


class ProxiedProtocol(BoundedProtocol):
    """HTTP protocol behind a proxy, where all connections share the proxy's address."""

    each = MOST
