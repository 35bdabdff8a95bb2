"""The web UI, served as a person starts it, with a tiny model."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from generated import write_tiny_model
from running_app import running_app


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
def own_ui(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A web UI for one test alone, as a process, with its address; it deletes what is two minutes old."""
    with started(tmp_path, ["model"], DELETE_AFTER_SECONDS="120") as app:
        yield app


@contextmanager
def served(folder: Path, models: Sequence[str] = ("model",), **settings: str) -> Iterator[str]:
    """A running web UI that keeps its files in `folder`; gives its address."""
    with started(folder, models, **settings) as (_, address):
        yield address


@contextmanager
def started(folder: Path, models: Sequence[str], **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running web UI as a process, with its address."""
    written = [str(write_tiny_model(folder / name, seed=n)) for n, name in enumerate(models)]
    settings |= {"DOUBLE_RESOLUTION_MODEL": ",".join(written), "TMPDIR": str(folder)}
    with running_app("apps.ui", settings) as app:
        yield app
