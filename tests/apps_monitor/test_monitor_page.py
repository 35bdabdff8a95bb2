"""The monitor's page in a browser, and its API endpoint, with the app started by its command."""

import csv
import datetime as dt
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from gradio_client import Client
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from apps.monitor.days import long_date, nasa_day
from benchmarks.pages import exceeded, first_visit
from support.browser import DESK, watch_requests
from support.models import write_tiny_model
from support.nasa import Nasa
from support.processes import free_port, wait_until_it_serves

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "apps/ui/samples/butterfly.jpg"  # 768x512, CC BY-SA 4.0
PATIENCE = 90_000  # milliseconds; machines that run tests may be busy
TODAY = nasa_day()
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
    """The page after 30 backfilled days; the newest is a video, the day before a photo."""
    for ago in range(2, 32):
        nasa.add(day(ago), "A comet")
    nasa.add(day(1), "A nebula", PHOTO.read_bytes())
    nasa.add_video(day(0))
    subprocess.run([*COMMAND, "backfill", "--days", "30"], cwd=ROOT, env=settings, check=True)
    with running(settings, [sys.executable, "-c", BRISK]) as app, visiting(app, chromium) as opened:
        yield opened


def says(page: Page, place: str, text: str) -> None:
    expect(page.locator(place)).to_contain_text(text, timeout=PATIENCE)


def downloaded(page: Page, button: str) -> Path:
    with page.expect_download(timeout=PATIENCE) as download:
        page.locator(button).click()
    return Path(download.value.path())


def test_a_visit_a_refresh_an_outage_and_other_days(page: Page, nasa: Nasa) -> None:
    says(page, "#status", "is a video. So this is the picture of")
    expect(page.get_by_role("link", name="Watch the video")).to_have_attribute(
        "href", "https://www.youtube.com/embed/abc"
    )
    says(page, "#heading", "A nebula")
    says(page, "#heading", "An astronomer")
    says(page, "#about", "768 × 512 to 1536 × 1024")
    says(page, ".spoken", "is a video")
    with Image.open(downloaded(page, "#about .button")) as doubled:
        assert doubled.size == (1536, 1024)
    expect(page.get_by_role("link", name="Next")).to_be_disabled()  # the only newer day is the video

    expect(page.locator("#measured .plane")).to_be_visible()
    with downloaded(page, "#measured .button").open(encoding="utf-8") as file:
        assert [row["day"] for row in csv.DictReader(file)] == [day(ago) for ago in range(29, 0, -1)]
    page.locator("#measured .points a").first.click()
    says(page, "#heading", "A comet")
    assert page.url.endswith(f"#{day(29)}")

    nasa.add(day(0), "A galaxy")
    show_what_another_visitor_found(page)
    page.get_by_role("button", name="Refresh").click()
    says(page, "#heading", "A galaxy")
    assert "#" not in page.url
    page.get_by_role("button", name="Refresh").click()
    says(page, "#status", "NASA was asked less than a minute ago")
    page.locator("#strip").get_by_alt_text(f"{long_date(TODAY - dt.timedelta(1))}: A nebula").click()
    says(page, "#heading", "A nebula")
    page.get_by_role("link", name="Next").click()
    says(page, "#heading", "A galaxy")
    expect(page).to_have_url(re.compile(f"#{day(0)}$"))
    expect(page.get_by_role("link", name="Next")).to_be_disabled()
    expect(page.get_by_role("link", name="Next")).to_be_focused()
    page.get_by_role("link", name="Previous").click()
    says(page, "#heading", "A nebula")
    page.reload()
    says(page, "#heading", "A nebula")
    page.go_back()
    says(page, "#heading", "A galaxy")
    page.go_back()
    says(page, "#heading", "A nebula")
    page.go_back()
    says(page, "#heading", "A galaxy")
    assert "#" not in page.url

    picker = page.get_by_label("Another day")
    expect(picker).to_have_attribute("max", day(0))
    picker.fill(day(29))
    says(page, "#heading", "A comet")  # without a click or a key
    picker.fill(day(1))
    picker.press("Escape")
    expect(picker).to_have_value(day(29))
    picker.fill(day(1))
    picker.press("Enter")
    says(page, "#heading", "A nebula")
    page.get_by_role("link", name="Previous").focus()
    page.keyboard.press("Enter")
    says(page, "#heading", "A comet")

    page.wait_for_timeout(SECONDS * 1100)
    page.get_by_role("button", name="Refresh").click()
    says(page, "#status", "Nothing is new")
    nasa.failing = 500
    page.wait_for_timeout(SECONDS * 1100)
    page.get_by_role("button", name="Refresh").click()
    says(page, "#status", "It is tried again at")
    expect(page.locator("photo-comparison canvas")).to_be_visible()
    nasa.failing = None
    page.wait_for_timeout(SECONDS * 1100)
    page.get_by_role("button", name="Refresh").click()
    says(page, "#status", "Nothing is new")

    ask_again_after_failures(page, nasa)
    lose_the_connection(page)
    result = Client(page.url, verbose=False).predict(api_name="/today")
    assert (result["date"], result["title"], result["note"]) == (day(0), "A galaxy", "")
    answer = requests.get(page.url.rstrip("/") + result["file"], timeout=10)
    assert answer.headers["content-type"] == "image/jpeg"


def show_what_another_visitor_found(page: Page) -> None:
    """Press the link to the new picture by keys, upon which what it leads to has the focus; return to the same day."""
    browser = page.context.browser
    assert browser is not None
    with visiting(page.url.partition("#")[0], browser) as other:
        other.get_by_role("button", name="Refresh").click()
        says(other, "#heading", "A galaxy")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.get_by_role("link", name="Show it").press("Enter")
    says(page, "#heading", "A galaxy")
    expect(page.get_by_role("link", name="Show it")).to_have_count(0)
    expect(page.locator("#heading")).to_be_focused()
    page.go_back()
    says(page, "#heading", "A comet")


def ask_again_after_failures(page: Page, nasa: Nasa) -> None:
    """Ask for days that fail, and again in the same ways, upon which they are shown; return to the newest."""
    picker, shown = page.get_by_label("Another day"), page.locator("#strip .days")
    nasa.retry_after = "1"  # second
    nasa.add(day(32), "A cluster")

    def is_shown_at_the_second_try(ago: int, ask: Callable[[], None]) -> None:
        nasa.failing = 503
        ask()
        says(page, "#status", "Ask for the day again after")
        assert page.url.endswith(f"#{day(ago)}")
        nasa.failing = None
        page.wait_for_timeout(1000)
        ask()
        expect(shown).to_have_attribute("data-shown", day(ago), timeout=PATIENCE)

    def pick(ago: int) -> None:
        picker.fill(day(ago))
        picker.press("Enter")

    pick(30)
    expect(shown).to_have_attribute("data-shown", day(30), timeout=PATIENCE)
    is_shown_at_the_second_try(31, page.get_by_role("link", name="Previous").click)
    is_shown_at_the_second_try(32, lambda: pick(32))
    page.get_by_role("button", name="Refresh").click()
    says(page, "#heading", "A galaxy")


def lose_the_connection(page: Page) -> None:
    """Ask for a day without a connection, which is shown once it is back; return to the newest."""
    page.context.set_offline(True)
    page.get_by_role("link", name="Previous").click()
    says(page, "body", "Connection to the server was lost")
    says(page, "#heading", "A galaxy")
    page.context.set_offline(False)
    says(page, "#heading", "A nebula")
    assert page.url.endswith(f"#{day(1)}")
    page.get_by_role("link", name="Next").click()  # the page answers again
    says(page, "#heading", "A galaxy")
    page.get_by_role("button", name="Refresh").click()
    expect(page).to_have_url(re.compile("/$"))


def finds(page: Page) -> list[str]:
    """Return what axe finds, at all levels of WCAG 2.2 AA and its best practices."""
    levels = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    return [fault["id"] for fault in Axe().run(page, options={"runOnly": levels}).response["violations"]]


def return_until_measured(page: Page) -> None:
    """Return to the page's tab, upon which it asks for news, until the picture is measured."""
    until = time.monotonic() + PATIENCE / 1000
    while not page.locator("#measured .plane").is_visible():
        assert time.monotonic() < until
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_timeout(500)


def is_on_first_screen(page: Page, place: str) -> bool:
    box, size = page.locator(place).bounding_box(), page.viewport_size
    assert box is not None
    assert size is not None
    return box["y"] + min(box["height"], size["height"] / 4) <= size["height"]


SCREENS = ((1440, 900), (1280, 720), (390, 844), (360, 740), (640, 360), (1920, 1080))  # 640: 1280 at 200 %


def test_from_the_first_start_to_a_picture_on_every_screen(
    nasa: Nasa, settings: dict[str, str], tmp_path: Path, chromium: Browser
) -> None:
    """NASA is down, then slow; the page tells, and shows the picture without a click, readable on every screen."""
    settings["DOUBLE_RESOLUTION_MODEL"] = "fast"  # random weights make noise, and noise large files
    nasa.failing = 503
    with running(settings, [sys.executable, "-c", BRISK]) as app, visiting(app, chromium) as page:
        says(page, "#status", "It is tried again at")
        says(page, "#measured", "No day has been measured yet")
        says(page, "#strip", "Each picture that is done")
        assert finds(page) == []
        nasa.failing = None
        nasa.add(day(0), "A nebula", PHOTO.read_bytes())
        nasa.held.clear()
        page.wait_for_timeout(SECONDS * 1100)
        page.get_by_role("button", name="Refresh").click()
        expect(page.locator("#status")).to_have_text(re.compile(r"Asking NASA… [4-9] s"))
        assert finds(page) == []
        page.reload()  # who comes while NASA is slow waits, too
        nasa.held.set()
        says(page, "#heading", "A nebula")
        return_until_measured(page)
        visit = first_visit(chromium, app)
        assert (exceeded(visit), visit.late) == ([], [])
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.reload()
            expect(page.locator("#measured .plane")).to_be_visible()
            for width, height in SCREENS:
                page.set_viewport_size({"width": width, "height": height})
                page.evaluate("scrollTo(0, 0)")
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert is_on_first_screen(page, "#heading h2")
                assert is_on_first_screen(page, "#heading time")
                assert is_on_first_screen(page, "#viewer") or height < 400
            assert finds(page) == []
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
