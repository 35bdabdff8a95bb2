"""Fixtures of both apps, running with their defaults."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.monitor.days import nasa_day
from support.models import write_tiny_model
from support.nasa import Nasa, serving
from support.processes import running_app


@pytest.fixture(scope="module")
def ui_temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the web UI's temporary files."""
    return tmp_path_factory.mktemp("ui")


@pytest.fixture(scope="module")
def ui(ui_temporary: Path) -> Iterator[str]:
    """Address of a web UI that accepts files of up to 2 MB."""
    model = str(write_tiny_model(ui_temporary / "model"))
    settings = {"DOUBLE_RESOLUTION_MODEL": model, "TMPDIR": str(ui_temporary), "MAX_FILE_MB": "2"}
    with running_app("apps.ui", settings) as (_, address):
        yield address


@pytest.fixture(scope="module")
def monitor_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache of the monitor, with its history."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def monitor(tmp_path_factory: pytest.TempPathFactory, monitor_cache: Path) -> Iterator[str]:
    """Address of a monitor of a local server that has a picture for today."""
    folder = tmp_path_factory.mktemp("monitor")
    nasa = Nasa()
    with serving(nasa) as interface:
        nasa.add(str(nasa_day()))
        settings = {
            "DOUBLE_RESOLUTION_MODEL": str(write_tiny_model(folder / "model")),
            "APOD_URL": interface,
            "CACHE": str(monitor_cache),
            "TMPDIR": str(folder),
        }
        with running_app("apps.monitor", settings) as (_, address):
            yield address


@pytest.fixture(params=["ui", "monitor"])
def app(request: pytest.FixtureRequest) -> str:
    """Address of each app in turn."""
    address: str = request.getfixturevalue(request.param)
    return address
