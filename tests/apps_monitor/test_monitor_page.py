"""The monitor's page in a browser, and its API endpoint, with the app started by its command."""

import csv
import datetime as dt
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from gradio_client import Client
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from support.browser import DESK, PHONE, watch_requests
from support.models import write_tiny_model
from support.nasa import Nasa
from support.processes import free_port, wait_until_it_serves

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "apps/ui/samples/butterfly.jpg"  # 768x512, CC BY-SA 4.0
PATIENCE = 90_000  # milliseconds; machines that run tests may be busy
TODAY = dt.datetime.now(dt.UTC).date()
COMMAND = [sys.executable, "-m", "apps.monitor"]
SECONDS = 5.0  # between two refreshes, because a test cannot wait for a minute
BRISK = f"from apps.monitor import __main__, monitor; monitor.MINUTE = {SECONDS}; __main__.main()"


def day(ago: int) -> str:
    return str(TODAY - dt.timedelta(ago))


@pytest.fixture
def settings(interface: str, tmp_path: Path) -> dict[str, str]:
    """Return the environment of a monitor of the local server, with a tiny model and a free port."""
    return os.environ | {
        "DOUBLE_RESOLUTION_MODEL": str(write_tiny_model(tmp_path / "model")),
        "APOD_URL": interface,
        "CACHE": str(tmp_path / "cache"),
        "GRADIO_SERVER_PORT": str(free_port()),
        "TMPDIR": str(tmp_path),
    }


@contextmanager
def running(settings: dict[str, str], command: list[str] = COMMAND, cwd: Path = ROOT) -> Iterator[str]:
    """Start a monitor and yield its address."""
    program = subprocess.Popen(command, cwd=cwd, env=settings)
    address = f"http://127.0.0.1:{settings['GRADIO_SERVER_PORT']}"
    try:
        wait_until_it_serves(program, address)
        yield address
    finally:
        program.kill()
        program.wait()


@contextmanager
def visiting(app: str, chromium: Browser) -> Iterator[Page]:
    """Open the page in a browser; fail if it requests anything from another host."""
    with chromium.new_page(viewport=DESK) as opened:
        opened.set_default_timeout(PATIENCE)
        foreign = watch_requests(opened, app)
        opened.goto(app)
        yield opened
        assert foreign == []


@pytest.fixture
def page(nasa: Nasa, settings: dict[str, str], chromium: Browser) -> Iterator[Page]:
    """The page after 90 backfilled days; the newest is a video, the day before a photo."""
    for ago in range(2, 92):
        nasa.add(day(ago), "A comet")
    nasa.add(day(1), "A nebula", PHOTO.read_bytes())
    nasa.add_video(day(0))
    subprocess.run([*COMMAND, "backfill", "--days", "90"], cwd=ROOT, env=settings, check=True)
    with running(settings, [sys.executable, "-c", BRISK]) as app, visiting(app, chromium) as opened:
        yield opened


def says(page: Page, place: str, text: str) -> None:
    expect(page.locator(place)).to_contain_text(text, timeout=PATIENCE)


def downloaded(page: Page, button: str) -> Path:
    with page.expect_download(timeout=PATIENCE) as download:
        page.locator(button).click()
    return Path(download.value.path())


def test_a_visit_a_refresh_an_outage_and_another_day(page: Page, nasa: Nasa) -> None:
    says(page, "#status", "is a video. So this is the picture of")
    expect(page.get_by_role("link", name="Watch the video")).to_have_attribute(
        "href", "https://www.youtube.com/embed/abc"
    )
    says(page, "#about", "A nebula")
    says(page, "#about", "768x512 to 1536x1024")
    says(page, "#about", "An astronomer")
    with Image.open(downloaded(page, "#download")) as doubled:
        assert doubled.size == (1536, 1024)

    expect(page.locator("#plot canvas")).to_be_visible()
    with downloaded(page, "#csv").open(encoding="utf-8") as file:
        assert [row["day"] for row in csv.DictReader(file)] == [day(ago) for ago in range(89, 0, -1)]

    nasa.add(day(0), "A galaxy")
    page.get_by_role("button", name="Refresh").click()
    says(page, "#about", "A galaxy")
    page.get_by_role("button", name="Refresh").click()
    says(page, "#status", "NASA was asked less than a minute ago")

    page.locator("#day input").fill(day(2))
    page.locator("#day input").press("Enter")
    page.get_by_role("button", name="Show this day").click()
    says(page, "#about", "A comet")
    page.locator("#strip button.thumbnail-item, #strip .thumbnail-lg").first.click()
    says(page, "#about", "A galaxy")

    page.wait_for_timeout(SECONDS * 1100)
    page.get_by_role("button", name="Refresh").click()
    says(page, "#status", "Nothing is new")

    nasa.failing = 500
    page.wait_for_timeout(SECONDS * 1100)
    page.get_by_role("button", name="Refresh").click()
    says(page, "#status", "It is tried again at")
    expect(page.locator("#slider img").first).to_be_visible()

    result = Client(page.url, verbose=False).predict(api_name="/today")
    assert (result["date"], result["title"], result["note"][:4]) == (day(0), "A galaxy", "NASA")
    answer = requests.get(page.url.rstrip("/") + result["file"], timeout=10)
    assert answer.headers["content-type"] == "image/jpeg"


def squares(page: Page, pane: str) -> set[str]:
    """Return the names of a loupe pane's squares, all of them loaded, as <row>_<column>."""
    pictures = page.locator(f"#loupe [data-name={pane}] img")
    expect(pictures.first).to_be_visible(timeout=PATIENCE)
    page.wait_for_function("[...document.querySelectorAll('#loupe img')].every((it) => it.naturalWidth)")
    return {Path(address).stem for address in pictures.evaluate_all("all => all.map((it) => it.src)")}


def test_the_loupe_shows_the_clicked_place_on_desk_and_phone(
    nasa: Nasa, settings: dict[str, str], tmp_path: Path, chromium: Browser
) -> None:
    nasa.add(day(0), "A nebula", PHOTO.read_bytes())
    with running(settings) as app, visiting(app, chromium) as page:
        says(page, "#about", "A nebula")
        # the picture has 1536x1024 pixels, in squares of 512
        assert {"0_1", "1_1"} <= squares(page, "before") == squares(page, "after")
        box = page.locator("#slider .slider-wrap img").first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] * 0.95, box["y"] + box["height"] * 0.9)
        assert squares(page, "before") == squares(page, "after") == {"1_2"}
        page.locator("#loupe").get_by_label("Down").fill("0")
        assert squares(page, "after") == {"0_2"}
        expect(page.locator("#plot canvas")).to_be_visible()
        found = Axe().run(page).response["violations"]
        assert [violation["id"] for violation in found if violation["impact"] in ("serious", "critical")] == []
        page.set_viewport_size(PHONE)
        page.reload()
        assert "0_1" in squares(page, "after")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    copies = [path for path in (tmp_path / "gradio").rglob("*") if path.is_file()]
    assert copies == []  # pictures are only in CACHE, which is limited in size


def today(app: str) -> dict[str, str]:
    """Return the answer of the API endpoint, requested without a client."""
    address = f"{app}/gradio_api/call/today"
    number = requests.post(address, json={"data": []}, timeout=60).json()["event_id"]
    answer = requests.get(f"{address}/{number}", timeout=120).text
    (result,) = json.loads(answer.split("data: ")[-1])
    return dict(result)


def test_after_a_kill_it_restarts_and_serves_twenty_at_once(
    nasa: Nasa, settings: dict[str, str], tmp_path: Path
) -> None:
    nasa.add(day(0), "A nebula")
    nasa.held.clear()
    with running(settings):
        while nasa.pictures_asked_for() == 0:
            time.sleep(0.05)
    assert list((tmp_path / "cache").glob(".part-*"))
    with running(settings) as address, ThreadPoolExecutor(20) as visitors:
        asked = [visitors.submit(today, address) for _ in range(20)]
        while nasa.pictures_asked_for() == 1:
            time.sleep(0.05)
        nasa.held.set()
        assert {visitor.result()["title"] for visitor in asked} == {"A nebula"}
    assert nasa.pictures_asked_for() == 2
