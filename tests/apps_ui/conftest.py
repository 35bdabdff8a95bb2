"""The web UI, served as a person starts it, with a tiny model."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from generated import write_tiny_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def ui_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the app keeps its files."""
    return tmp_path_factory.mktemp("ui")


@pytest.fixture(scope="session")
def ui(ui_folder: Path) -> Iterator[str]:
    """The address of a running web UI that takes files of 2 MB."""
    with served(ui_folder, MAX_FILE_MB="2") as address:
        yield address


@pytest.fixture(scope="session")
def crowded_ui(ui_folder: Path) -> Iterator[str]:
    """The address of a running web UI that offers two models and where one may wait."""
    with served(ui_folder, ("fast", "best"), QUEUE_SIZE="1", JOBS_EACH="5") as address:
        yield address


@pytest.fixture
def own_ui(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A web UI for one test alone, as a process, with its address; it deletes what is two minutes old."""
    with started(tmp_path, ["model"], DELETE_AFTER_SECONDS="120") as app:
        yield app


@contextmanager
def served(folder: Path, models: Sequence[str] = ("model",), **settings: str) -> Iterator[str]:
    """A running web UI that keeps its files in `folder`; gives its address."""
    with started(folder, models, **settings) as (_, address):
        yield address


@contextmanager
def started(folder: Path, models: Sequence[str], **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A running web UI as a process, with its address."""
    written = [str(write_tiny_model(folder / name, seed=n)) for n, name in enumerate(models)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings |= {"DOUBLE_RESOLUTION_MODEL": ",".join(written), "GRADIO_SERVER_PORT": str(port), "TMPDIR": str(folder)}
    app = subprocess.Popen([sys.executable, "-m", "apps.ui"], cwd=ROOT, env=os.environ | settings)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_it_serves(app, address)
        yield app, address
    finally:
        app.terminate()
        app.wait()


def wait_until_it_serves(app: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(600):
        assert app.poll() is None, "the app ended before it served"
        try:
            requests.get(f"{address}/health", timeout=60).raise_for_status()
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the app does not answer")
