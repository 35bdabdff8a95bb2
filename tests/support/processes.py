"""Apps as a person starts them: each a process, which is ended at the end."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).parents[2]


@contextmanager
def running_app(module: str, settings: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, once it serves, and its address; standard error can be read from the process."""
    port = free_port()
    environment = os.environ | settings | {"GRADIO_SERVER_PORT": str(port)}
    app = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_until_it_serves(app, f"http://127.0.0.1:{port}")
        yield app, f"http://127.0.0.1:{port}"
    finally:
        app.terminate()
        app.communicate(timeout=30)


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_until_it_serves(app: subprocess.Popen[Any], address: str) -> None:
    """Wait until /health answers. Raises AssertionError if the app ends, or takes longer than two minutes."""
    for _ in range(1200):
        assert app.poll() is None, "the app ended before it served"
        try:
            requests.get(f"{address}/health", timeout=60).raise_for_status()
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the app does not answer")
