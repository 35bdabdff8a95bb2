"""Endurance: many pictures, one after another and at once, leave no memory, files or processes behind."""

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import requests
from gradio_client import Client, handle_file
from PIL import Image

from apps.ui.batches import GREETING
from support.pictures import photo_like

SAMPLES = Path(__file__).parents[2] / "apps" / "ui" / "samples"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(280)]


def test_many_pictures_leave_nothing_behind(own_ui: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    app, address = own_ui
    client, process = Client(address, verbose=False), psutil.Process(app.pid)
    photo = tmp_path / "photo.jpg"
    Image.fromarray(photo_like(200, 300)).save(photo)

    def double(_: int) -> None:
        with Image.open(client.predict(handle_file(photo), api_name="/double")) as doubled:
            assert doubled.size == (600, 400)

    for n in range(5):
        double(n)
    after_five = process.memory_info().rss
    for n in range(10):
        double(n)
    with ThreadPoolExecutor(2) as pool:  # one visitor may have two jobs
        list(pool.map(double, range(8)))
    assert process.memory_info().rss < 1.1 * after_five
    grow_old_and_wait_until_they_are_gone(kept_files(tmp_path))
    assert requests.get(address, timeout=60).ok
    for thumbnail in (SAMPLES / "thumbnails").iterdir():
        assert requests.get(f"{address}/samples/{thumbnail.stem}", timeout=60).content == thumbnail.read_bytes()
    app.terminate()  # while the client is still connected, as open pages are
    app.wait(60)


def kept_files(folder: Path) -> list[Path]:
    """Return the files in the app's folder, except the example, which greets visitors as long as the app runs."""
    (app_folder,) = folder.glob("double_resolution_*")
    return [path for path in app_folder.rglob("*") if path.is_file() and GREETING not in path.parts]


def grow_old_and_wait_until_they_are_gone(files: list[Path]) -> None:
    assert files
    for file in files:
        os.utime(file, (0, 0))
    for _ in range(1200):
        if not any(file.exists() for file in files):
            return
        time.sleep(0.1)
    raise AssertionError("files are left behind")
