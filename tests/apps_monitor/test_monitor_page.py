"""The monitor's page in a real browser, and its endpoint with the real client."""

import datetime as dt
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from browser import DESK, browser, watch_requests
from generated import write_tiny_model
from gradio_client import Client
from nasa_server import Nasa
from PIL import Image
from playwright.sync_api import Page, expect

from apps.monitor.history import COLUMNS, History, Row
from upscaler import artifact

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "apps/ui/samples/butterfly.jpg"  # 768x512, CC BY-SA 4.0
PATIENCE = 90_000  # milliseconds; machines that run tests may be busy
TODAY = dt.datetime.now(dt.UTC).date()


def day(ago: int) -> str:
    return str(TODAY - dt.timedelta(ago))


@pytest.fixture
def app(nasa: Nasa, interface: str, tmp_path: Path) -> Iterator[str]:
    """The address of a running monitor; the newest day is a video, with a picture on the day before."""
    nasa.add(day(2), "A comet")
    nasa.add(day(1), "A nebula", PHOTO.read_bytes())
    nasa.add_video(day(0))
    write_ninety_days(tmp_path / "cache" / "history.sqlite", tmp_path / "model")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "DOUBLE_RESOLUTION_MODEL": str(tmp_path / "model"),
        "APOD_URL": interface,
        "CACHE": str(tmp_path / "cache"),
        "GRADIO_SERVER_PORT": str(port),
    }
    program = subprocess.Popen([sys.executable, "-m", "apps.monitor"], cwd=ROOT, env=os.environ | settings)
    address = f"http://127.0.0.1:{port}"
    wait_until_it_serves(program, address)
    yield address
    program.terminate()
    program.wait()


def write_ninety_days(history: Path, model: Path) -> None:
    revision = artifact.read(write_tiny_model(model)).revision
    measured = dict.fromkeys(COLUMNS, 1) | {"revision": revision, "model": "model", "title": "A star"}
    measured |= {"measured_at": "2026-01-01T00:00:00Z"}
    rows = [measured | {"day": day(ago), "gain": 2 + ago % 7 / 10} for ago in range(3, 93)]
    History(history).add(Row.model_validate(row) for row in rows)


def wait_until_it_serves(program: subprocess.Popen[bytes], address: str) -> None:
    for _ in range(600):
        assert program.poll() is None, "the app ended before it served"
        try:
            assert requests.get(f"{address}/health", timeout=5).json()["status"] == "ok"
            return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the app does not answer")


@pytest.fixture
def page(app: str) -> Iterator[Page]:
    with browser() as chromium:
        opened = chromium.new_page(viewport=DESK)  # type: ignore[arg-type]
        opened.set_default_timeout(PATIENCE)
        foreign = watch_requests(opened, app)
        opened.goto(app)
        yield opened
        assert foreign == []


def says(page: Page, place: str, text: str) -> None:
    expect(page.locator(place)).to_contain_text(text, timeout=PATIENCE)


def test_a_visit_a_refresh_an_outage_and_another_day(page: Page, nasa: Nasa, app: str) -> None:
    says(page, "#status", "is a video. So this is the picture of")
    expect(page.get_by_role("link", name="Watch the video")).to_have_attribute(
        "href", "https://www.youtube.com/embed/abc"
    )
    says(page, "#about", "A nebula")
    says(page, "#about", "768x512 to 1536x1024")
    says(page, "#about", "An astronomer")
    expect(page.locator("#plot canvas")).to_be_visible()
    with page.expect_download(timeout=PATIENCE) as download:
        page.locator("#download").click()
    with Image.open(download.value.path()) as doubled:
        assert doubled.size == (1536, 1024)

    nasa.add(day(0), "A galaxy")
    page.get_by_role("button", name="Refresh").click()
    says(page, "#about", "A galaxy")
    page.get_by_role("button", name="Refresh").click()
    says(page, "#status", "Nothing is new")

    page.locator("#day input").fill(day(2))
    page.locator("#day input").press("Enter")
    page.get_by_role("button", name="Show this day").click()
    says(page, "#about", "A comet")

    nasa.failing = 500
    page.get_by_role("button", name="Refresh").click()
    says(page, "#status", "It is tried again at")
    expect(page.locator("#slider img").first).to_be_visible()

    today = Client(app, verbose=False).predict(api_name="/today")
    assert (today["date"], today["title"], today["note"][:4]) == (day(0), "A galaxy", "NASA")
    file = requests.get(app + today["file"], timeout=10)
    assert file.headers["content-type"] == "image/jpeg"
