"""Fixtures of the web UI with a tiny model, started by its command."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from support.desk import opened
from support.models import write_tiny_model
from support.pictures import photo_like
from support.processes import running_app


@pytest.fixture(scope="session")
def ui_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the app's files."""
    return tmp_path_factory.mktemp("ui")


@pytest.fixture(scope="session")
def ui(ui_folder: Path) -> Iterator[str]:
    """Address of a web UI that accepts files of up to 2 MB."""
    with served(ui_folder, MAX_FILE_MB="2") as address:
        yield address


@pytest.fixture(scope="session")
def crowded_ui(ui_folder: Path) -> Iterator[str]:
    """Address of a web UI with two models and a queue of one."""
    with served(ui_folder, ("fast", "best"), QUEUE_SIZE="1", JOBS_EACH="5") as address:
        yield address


@pytest.fixture(scope="session")
def fast_ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a web UI with the bundled model, as it is installed."""
    with running_app("apps.ui", {"TMPDIR": str(tmp_path_factory.mktemp("fast_ui"))}) as (app, address):
        give_priority(app.pid)
        yield address


def give_priority(app: int) -> None:
    """Let an app's jobs, which else give way to other programs, go before other tests; only root can."""
    with suppress(PermissionError):
        for process in psutil.Process(app).children(recursive=True):
            for thread in process.threads():
                os.setpriority(os.PRIO_PROCESS, thread.id, -5)


@pytest.fixture
def own_ui(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Process and address of a web UI for one test; it deletes files after two minutes."""
    with started(tmp_path, ["model"], DELETE_AFTER_SECONDS="120") as app:
        yield app


@contextmanager
def served(folder: Path, models: Sequence[str] = ("model",), **settings: str) -> Iterator[str]:
    """Start a web UI with its files in `folder`; yield its address."""
    with started(folder, models, **settings) as (_, address):
        yield address


@contextmanager
def started(folder: Path, models: Sequence[str], **settings: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a web UI; yield its process and address."""
    written = [str(write_tiny_model(folder / name, seed=n)) for n, name in enumerate(models)]
    settings |= {"DOUBLE_RESOLUTION_MODEL": ",".join(written), "TMPDIR": str(folder)}
    with running_app("apps.ui", settings) as app:
        yield app


@pytest.fixture
def page(chromium: Browser, ui: str) -> Iterator[Page]:
    """The page in a browser of its own."""
    with opened(chromium, ui) as page:
        yield page


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A photo that takes minutes with the options TAKES_LONG."""
    path = tmp_path / "large.jpg"
    Image.fromarray(photo_like(500, 800)).resize((3200, 2000)).save(path, quality=70)
    return path
