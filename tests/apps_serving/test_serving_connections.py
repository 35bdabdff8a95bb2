"""Connections of clients that read slowly, or not at all."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.responses import Response

from apps.serving import connections
from apps.serving.connections import BoundedProtocol

LENGTH = 16 << 20  # more than the system's buffers hold


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """Client of a server that answers with LENGTH bytes at once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        answer = Response(bytes(LENGTH))
        server = uvicorn.Server(uvicorn.Config(answer, http=BoundedProtocol, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        with socket.create_connection(listening.getsockname(), timeout=30) as client:
            yield client
        server.should_exit = True
        thread.join()


def received(client: socket.socket) -> int:
    """Ask for the response, and read it a second later; return the number of bytes until the connection is closed."""
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    time.sleep(1)
    number = 0
    try:
        while part := client.recv(1 << 20):
            number += len(part)
    except ConnectionResetError:
        pass
    return number


def test_the_end_of_a_response_waits_for_a_slow_reader(client: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_REQUEST_TIMEOUT", 0.2)
    assert received(client) > LENGTH


def test_a_client_that_does_not_read_is_cut_off(client: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_WRITE_TIMEOUT", 0.2)
    assert 0 < received(client) < LENGTH
