"""Servers in threads of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseServer
from threading import Thread

_POLL_INTERVAL = 0.01  # seconds until a server notices that it should stop


@contextmanager
def running(server: BaseServer) -> Iterator[None]:
    """Serve while the block runs, and close the server however it ends: one left behind spins on its closed socket."""
    thread = Thread(target=server.serve_forever, args=(_POLL_INTERVAL,), daemon=True)
    with server:
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
