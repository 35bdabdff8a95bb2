"""Connections of clients that wait, read slowly, or do not read."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from apps.serving import connections
from apps.serving.connections import BoundedProtocol

LENGTH = 16 << 20  # more than the system's buffers hold


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with LENGTH bytes at once, later if asked for /later."""
    await asyncio.sleep(1 if scope["path"] == "/later" else 0)
    await Response(bytes(LENGTH))(scope, receive, send)


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """Client of a server of the app."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, http=BoundedProtocol, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        with socket.create_connection(listening.getsockname(), timeout=30) as client:
            yield client
        server.should_exit = True
        thread.join()


def received(client: socket.socket, path: bytes, pause: float) -> int:
    """Ask for the response, and read it after `pause` seconds; return the number of bytes until the end."""
    client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    time.sleep(pause)
    number = 0
    try:
        while part := client.recv(1 << 20):
            number += len(part)
    except ConnectionResetError:
        pass
    return number


def test_the_end_of_a_response_waits_for_a_slow_reader(client: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_REQUEST_TIMEOUT", 0.2)
    assert received(client, b"/", pause=1) > LENGTH


def test_a_client_that_does_not_read_is_cut_off(client: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_WRITE_TIMEOUT", 0.2)
    assert 0 < received(client, b"/", pause=1) < LENGTH


def test_a_client_that_asks_but_does_not_read_is_cut_off(
    client: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_WRITE_TIMEOUT", 0.4)
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    time.sleep(0.2)
    assert 0 < received(client, b"/", pause=1) < LENGTH


def test_a_response_may_take_longer_than_a_request(client: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_REQUEST_TIMEOUT", 0.2)
    assert received(client, b"/later", pause=0) > LENGTH
