"""An app as a person starts it: a process of its own, which is ended at the end."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]


@contextmanager
def running_app(module: str, settings: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, once it serves, and its address; standard error can be read from the process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | settings | {"GRADIO_SERVER_PORT": str(port)}
    app = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        _wait_until_it_serves(app, f"http://127.0.0.1:{port}")
        yield app, f"http://127.0.0.1:{port}"
    finally:
        app.terminate()
        app.communicate(timeout=30)


def _wait_until_it_serves(app: subprocess.Popen[str], address: str) -> None:
    for _ in range(600):
        assert app.poll() is None, "the app ended before it served"
        try:
            requests.get(f"{address}/health", timeout=60).raise_for_status()
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the app does not answer")
