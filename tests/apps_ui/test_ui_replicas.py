"""Two web UIs behind one address: a job's address leads back to its replica, which finishes before it ends."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from gradio_client import Client, handle_file
from PIL import Image
from playwright.sync_api import Browser, expect

from support.desk import TAKES_LONG, choose, downloaded, finished, id_of, opened, set_options, upscale
from support.models import write_tiny_model
from support.pictures import photo_like
from support.processes import ROOT, free_port, running_app

CADDY = shutil.which("caddy") or ""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CADDY, reason="needs the reverse proxy Caddy"),
]
PATIENCE = 120.0  # seconds

Replicas = tuple[str, dict[str, subprocess.Popen[str]]]


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[Replicas]:
    """Address of Caddy, as docker/Caddyfile sets it up, and the processes of the web UIs by name."""
    address = f"http://127.0.0.1:{free_port()}"
    environment = {"ADDRESS": address, "HOME": str(tmp_path)}
    settings = {"BEHIND_PROXY": "1", "DRAIN_MINUTES": "5", "DOUBLE_RESOLUTION_MODEL": str(write_tiny_model(tmp_path))}
    processes = {}
    with ExitStack() as stack:
        for name in ("1", "2"):
            folder = tmp_path / f"files_{name}"
            folder.mkdir()
            started = running_app("apps.ui", settings | {"REPLICA": name, "TMPDIR": str(folder)})
            processes[name], own = stack.enter_context(started)
            environment[f"REPLICA_{name}"] = own.removeprefix("http://")
        command = [CADDY, "run", "--config", str(ROOT / "docker/Caddyfile"), "--adapter", "caddyfile"]
        proxy = subprocess.Popen(command, env=os.environ | environment, stderr=subprocess.DEVNULL)
        stack.callback(proxy.wait)
        stack.callback(proxy.terminate)
        wait_until(lambda: is_up(address))
        yield address, processes
        for process in processes.values():
            process.send_signal(signal.SIGINT)  # which waits for no download


def is_up(address: str) -> bool:
    try:
        return requests.get(f"{address}/health", timeout=10).ok
    except requests.ConnectionError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_replica_finishes_its_work_before_it_ends(
    replicas: Replicas, chromium: Browser, large: Path, tmp_path: Path
) -> None:
    address, processes = replicas
    small = tmp_path / "small.png"
    Image.fromarray(photo_like(40, 60)).save(small)
    with opened(chromium, address) as page, opened(chromium, address) as other:
        for _ in range(3):  # whichever replica each of its requests may have reached
            upscale(page, small)
            page.reload()
            finished(page)
            assert downloaded(page).suggested_filename == "small_2x.png"
        set_options(page, *TAKES_LONG)
        choose(page, large)
        expect(page.locator("#left")).to_contain_text(" left")
        leaving = id_of(page).partition("-")[0]
        (staying,) = {*processes} - {leaving}
        processes[leaving].send_signal(signal.SIGTERM)
        expect(page.locator("#note")).to_contain_text("This server is about to be replaced.")
        page.reload()
        expect(page.locator("#note")).to_contain_text("This server is about to be replaced.")
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#note")).to_contain_text("Cancelled")

        for _ in range(3):
            upscale(other, small)
            assert id_of(other).startswith(f"{staying}-")
        result = Client(address, verbose=False).predict(handle_file(small), api_name="/double")
        with Image.open(result) as doubled:
            assert doubled.size == (120, 80)
        assert processes[leaving].wait(PATIENCE) == 0
        upscale(page, small)
        assert id_of(page).startswith(f"{staying}-")
