"""Lingering close: a response that comes before the end of its request ends after it."""

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive, Send

_SECONDS = 10.0
_BYTES = 8_000_000


class LingeringClose:
    """ASGI `receive` and `send` of a request, whose unread rest is received before its response ends, and dropped.

    A connection that is closed with data unread is reset, and a client that is still sending loses the response
    (RFC 9112, section 9.6). A rest of more than 8 MB or 10 seconds is left unread.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._has_ended = False

    async def receive(self) -> Message:
        """Receive the next message."""
        message = await self._receive()
        self._has_ended = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a message; before the last one, receive the rest of the request."""
        is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
        if is_last and not self._has_ended:
            await self._send({**message, "more_body": True})
            await self._receive_rest()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def _receive_rest(self) -> None:
        size = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_SECONDS):
                while not self._has_ended and size <= _BYTES:
                    size += len((await self.receive()).get("body", b""))
