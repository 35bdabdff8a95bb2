"""Confinement of the Hub's token to the processes that need it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import requests
from gradio_client import Client, handle_file
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from apps.monitor.days import nasa_day
from apps.serving.launching import without_token
from support.hub import TOKEN, Hub, running_hub
from support.models import write_tiny_model
from support.nasa import Nasa
from support.pictures import photo_like
from support.processes import running_app

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

MODEL = "ada/tiny"
HISTORY = "ada/monitor-history"
WRITER = "apps.monitor.writer"
AS_ANYBODY = (
    ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
)  # root may read any file


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    """A Hub with a private model."""
    with running_hub() as server:
        folder = write_tiny_model(tmp_path / "model")
        files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        server.create(MODEL, files=files).private = True
        yield server


@pytest.fixture(params=["in the environment", "stored by hf auth login"])
def settings(request: pytest.FixtureRequest, hub: Hub, tmp_path: Path) -> dict[str, str]:
    """Environment of an app with the token and the private model."""
    cache = tmp_path / "hub_cache"
    if is_stored := request.param.startswith("stored"):
        cache.mkdir()
        (cache / "token").write_text(TOKEN)
    environment = hub.environment(cache, None if is_stored else TOKEN)
    return environment | {"DOUBLE_RESOLUTION_MODEL": MODEL, "TMPDIR": str(tmp_path), "CACHE": str(tmp_path / "cache")}


@pytest.fixture
def interface(interface: str, nasa: Nasa) -> str:
    """Address of a local server with a picture for today."""
    nasa.add(str(nasa_day()))
    return interface


def family(app: psutil.Process) -> dict[str, psutil.Process]:
    """Return an app's processes by the modules that they run."""
    children = {next(part for part in child.cmdline() if "apps." in part): child for child in app.children(True)}
    return {"app": app} | children


def opens_the_hub(process: psutil.Process) -> bool:
    """Return True if a program with the environment of `process` finds the token."""
    environment = process.environ()
    program = "from huggingface_hub import get_token; print(get_token())"
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return TOKEN in found.stdout or any(TOKEN in value for value in environment.values())


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(900):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in 90 s")


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@on_linux
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_ui_serves_a_private_model_without_the_token(settings: dict[str, str], hub: Hub, tmp_path: Path) -> None:
    Image.fromarray(photo_like(31, 47)).save(tmp_path / "photo.png")
    with running_app("apps.ui", settings | {"DOUBLE_RESOLUTION_MODEL": f"{MODEL},fast"}) as (app, address):
        health = requests.get(f"{address}/health", timeout=10).json()
        assert (health["model"], health["revision"]) == (MODEL, hub.model(MODEL).branches["main"][:12])
        doubled = Client(address, verbose=False).predict(handle_file(tmp_path / "photo.png"), api_name="/double")
        with Image.open(doubled) as image:
            assert image.size == (94, 62)
        processes = family(psutil.Process(app.pid))
        assert {"app", "apps.ui.worker"} == set(processes)
        assert not any(map(opens_the_hub, processes.values()))


@on_linux
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_only_the_monitors_writer_has_the_token_and_it_ends_with_the_monitor(
    settings: dict[str, str], hub: Hub, interface: str
) -> None:
    with running_app("apps.monitor", settings | {"APOD_URL": interface, "HISTORY_REPO": HISTORY}) as (app, address):
        wait_until(lambda: len(getattr(hub.repositories.get(f"datasets/{HISTORY}"), "commits", ())) == 2)
        copied = hub.repositories[f"datasets/{HISTORY}"].files()["history.csv"].decode()
        assert MODEL in copied.splitlines()[1]
        assert requests.get(f"{address}/health", timeout=10).json()["model"] == MODEL

        processes = family(psutil.Process(app.pid))
        writer = processes.pop(WRITER)
        assert {"app", "apps.monitor.worker"} == set(processes)
        assert not any(map(opens_the_hub, processes.values()))
        peeking = subprocess.run([*AS_ANYBODY, "cat", f"/proc/{writer.pid}/environ"], capture_output=True, check=False)
        assert peeking.returncode != 0 and peeking.stdout == b""

        app.terminate()
        app.wait(timeout=30)
        wait_until(lambda: all(map(has_ended, [writer, *processes.values()])))


@on_linux
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("settings", ["in the environment"], indirect=True)
def test_a_monitor_survives_its_writer_and_reports_it_once(
    settings: dict[str, str], nasa: Nasa, interface: str
) -> None:
    nasa.held.clear()
    with running_app("apps.monitor", settings | {"APOD_URL": interface, "HISTORY_REPO": HISTORY}) as (app, address):
        family(psutil.Process(app.pid))[WRITER].kill()
        nasa.held.set()
        assert app.stderr
        log = [next(line for line in app.stderr if "has ended; restart the monitor" in line)]
        assert Client(address, verbose=False).predict(api_name="/today")["title"] == "A nebula"
        app.terminate()
        log += app.stderr
    assert "".join(log).count("has ended; restart the monitor") == 1


NAMES = st.sampled_from(["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "hf_token", "HF_OIDC_ID_TOKEN", "MY_SECRET"])


@given(NAMES, st.from_regex(r"\s*hf_[A-Za-z]{8,40}\s*", fullmatch=True), st.text(), st.text())
def test_no_variable_contains_the_token(name: str, token: str, before: str, after: str) -> None:
    allowed = {"PATH": "/bin", "HF_HOME": "/data"}
    copies = {"COPY": token, "REMOTE": f"{before}{token}{after}"}
    assert without_token(allowed | {name: token} | copies) == allowed
