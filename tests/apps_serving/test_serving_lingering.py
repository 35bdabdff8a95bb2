"""Lingering close: the rest of a request is received before the end of its response, within limits."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message

from apps.serving import lingering
from apps.serving.lingering import LingeringClose


class Connection:
    """A client that sends parts of a body, and then waits."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.parts = [
            {"type": "http.request", "body": part, "more_body": n + 1 < len(parts)} for n, part in enumerate(parts)
        ]
        self.sent: list[Message] = []
        self.left_at_end = -1  # parts that were unread when the response ended

    async def receive(self) -> Message:
        if not self.parts:
            await asyncio.Event().wait()
        return self.parts.pop(0)

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.left_at_end = len(self.parts)


def respond(client: Connection, read: int, body: Sequence[bytes]) -> None:
    """Answer a request of which `read` parts were received."""

    async def app() -> None:
        connection = LingeringClose(client.receive, client.send)
        for _ in range(read):
            await connection.receive()
        await connection.send({"type": "http.response.start", "status": 413})
        for n, part in enumerate(body):
            await connection.send({"type": "http.response.body", "body": part, "more_body": n + 1 < len(body)})

    with ThreadPoolExecutor(1) as thread:  # tests of pages leave a loop in this one
        thread.submit(asyncio.run, asyncio.wait_for(app(), 10)).result()


@given(
    parts=st.lists(st.binary(max_size=9), min_size=1, max_size=5),
    read=st.integers(0, 5),
    body=st.lists(st.binary(max_size=9), min_size=1, max_size=3),
)
def test_the_response_is_whole_and_ends_after_the_request(parts: list[bytes], read: int, body: list[bytes]) -> None:
    client = Connection(parts)
    respond(client, min(read, len(parts)), body)
    assert client.left_at_end == 0
    assert b"".join(message.get("body", b"") for message in client.sent) == b"".join(body)


def test_the_response_is_sent_before_the_rest_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "_SECONDS", 0.1)
    client = Connection([b"a", b"b"])
    client.parts.pop()  # never sent
    respond(client, 0, [b"too large"])
    bodies = [message for message in client.sent if message["type"] == "http.response.body"]
    assert bodies == [
        {"type": "http.response.body", "body": b"too large", "more_body": True},
        {"type": "http.response.body"},
    ]


def test_a_rest_above_the_limit_is_left_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lingering, "_BYTES", 10)
    client = Connection([bytes(4)] * 100)
    respond(client, 1, [b"too large"])
    assert client.left_at_end == 100 - 1 - 3
