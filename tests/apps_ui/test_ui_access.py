"""Accessibility and layout of each state: axe, keyboard, widths, zoom, motion, and shifts."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from support.desk import TAKES_LONG, choose, compared, finished, opened, set_options, upscale
from support.pictures import photo_like

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WIDTHS = (360, 390, 640, 768, 1024, 1440, 1920)  # 640: 1280 pixels at 200 %


def photo(folder: Path, name: str, size: tuple[int, int] = (90, 60)) -> Path:
    Image.fromarray(photo_like(60, 90)).resize(size).save(folder / name)
    return folder / name


@contextmanager
def working(page: Page, folder: Path) -> Iterator[None]:
    """Keep the page at work while the block runs."""
    set_options(page, *TAKES_LONG)
    choose(page, photo(folder, "large.jpg", (3200, 2000)))
    expect(page.locator("#stage .before")).to_be_visible()
    expect(page.locator("#left")).to_contain_text(" left")
    yield
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#note")).to_contain_text("Cancelled")
    set_options(page, *TAKES_LONG, checked=False)


def states(page: Page, folder: Path) -> Iterator[str]:
    """Lead the page through its states."""
    compared(page, "#greeting")
    page.locator("#options summary").click()
    yield "empty"
    with working(page, folder):
        yield "working"
    upscale(page, photo(folder, "a_photo.png"))
    compared(page)
    page.locator("#facts summary").click()
    yield "done"
    bad = folder / "bad.jpg"
    bad.write_text("no picture")
    upscale(page, photo(folder, "a.png"), photo(folder, "b.png"), bad)
    compared(page)
    yield "several"
    choose(page, bad)
    expect(page.locator("#refusals li")).to_be_visible()
    expect(page.locator("#give")).to_be_visible()
    yield "failed"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_every_width_fits(
    chromium: Browser, ui: str, tmp_path: Path, scheme: Literal["light", "dark"]
) -> None:
    with opened(chromium, ui, color_scheme=scheme) as page:
        assert page.evaluate("document.body.classList.contains('dark')") is (scheme == "dark")
        for state in states(page, tmp_path):
            found = Axe().run(page).response["violations"]
            assert [(state, one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found] == []
            for width in WIDTHS if scheme == "light" else ():
                page.set_viewport_size({"width": width, "height": 800})
                wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
                assert wide[0] <= wide[1], f"{state} at {width} pixels is {wide[0]} wide"


def test_from_the_file_to_the_download_by_keyboard(chromium: Browser, ui: str, tmp_path: Path) -> None:
    with opened(chromium, ui) as page:
        page.on("filechooser", lambda _: None)  # playwright does not wait until the browser hands choosers over
        compared(page, "#greeting")
        reach(page, "[data-do=choose]")
        with page.expect_file_chooser() as chooser:
            page.keyboard.press("Enter")
        chooser.value.set_files(photo(tmp_path, "photo.png"))
        finished(page)
        compared(page)
        reach(page, "#download")
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        assert download.value.suggested_filename == "photo_2x.png"
        reach(page, "[data-do=delete]")
        page.keyboard.press("Space")
        expect(page.locator("#note")).to_contain_text("Your pictures are deleted.")
        expect(page.locator("[data-do=choose]")).to_be_focused()
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_what_has_the_focus_passes_it_on_when_it_goes(page: Page, large: Path) -> None:
    page.on("filechooser", lambda _: None)
    page.locator("[data-sample]").first.press("Enter")
    expect(page.locator("h1")).to_be_focused()
    page.locator("[data-do=cancel]").focus()
    finished(page)
    expect(page.locator("#download")).to_be_focused()
    with page.expect_file_chooser():  # and then nothing is chosen
        page.locator("[data-do=another]").press("Enter")
    expect(page.locator("[data-do=another]")).to_be_focused()
    page.locator("[data-do=delete]").press("Enter")
    expect(page.locator("[data-do=choose]")).to_be_focused()
    set_options(page, *TAKES_LONG)
    choose(page, large)
    expect(page.locator("h1")).to_be_focused()
    page.locator("[data-do=cancel]").press("Enter")
    expect(page.locator("#note")).to_contain_text("Cancelled")
    expect(page.locator("[data-do=choose]")).to_be_focused()


def reach(page: Page, selector: str, most: int = 25) -> None:
    """Press Tab until an element has the focus, which must be visible."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"{selector} is not reached by keyboard")


def test_nothing_jumps_and_nothing_moves_for_those_who_ask(chromium: Browser, ui: str, tmp_path: Path) -> None:
    with opened(chromium, ui, reduced_motion="reduce") as page:
        page.evaluate(
            """() => {
                window.shifts = [];
                const note = ({ hadRecentInput, value }) => hadRecentInput || shifts.push(value);
                const observer = new PerformanceObserver((list) => list.getEntries().forEach(note));
                observer.observe({ type: "layout-shift", buffered: true });
            }"""
        )
        compared(page, "#greeting")
        with working(page, tmp_path):
            assert page.evaluate("document.getAnimations().length") == 0
        assert page.evaluate("shifts.reduce((sum, shift) => sum + shift, 0)") < 0.1
