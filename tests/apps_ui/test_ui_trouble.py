"""Failures in a browser: the page shows a message or recovers, and never keeps a spinner."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, Position, expect

from support.browser import DESK, PATIENCE
from support.pictures import photo_like

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CHOICES_THAT_TAKE_LONG = ("Finest", "Four times")  # takes minutes, so that the tests need not hurry


@pytest.fixture
def page(chromium: Browser, crowded_ui: str) -> Iterator[Page]:
    opened = opened_page(chromium, crowded_ui)
    yield opened
    opened.context.close()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A photo that takes minutes to upscale with CHOICES_THAT_TAKE_LONG."""
    path = tmp_path / "large.jpg"
    Image.fromarray(photo_like(500, 800)).resize((3200, 2000)).save(path, quality=70)
    return path


def opened_page(chromium: Browser, ui: str) -> Page:
    page = chromium.new_context(viewport=DESK).new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(ui)
    page.get_by_role("button", name="Double it").wait_for()
    return page


def start_long_work(page: Page, photo: Path) -> None:
    page.locator("#photos input[type=file]").set_input_files(photo)
    expect(page.locator("#photos")).to_contain_text("large")
    page.get_by_text("Choices").click()
    for choice in CHOICES_THAT_TAKE_LONG:
        page.get_by_label(choice).check()
    page.get_by_role("button", name="Double it").click()


def double_a_sample(page: Page) -> None:
    page.locator("#samples button").first.click()
    expect(page.locator("#status")).to_contain_text("768x512 to 1536x1024", timeout=PATIENCE)


def test_a_full_queue_gets_a_sentence_and_waiting_visitors_see_their_position(
    page: Page, chromium: Browser, crowded_ui: str, large: Path
) -> None:
    start_long_work(page, large)
    expect(page.locator("#status")).to_contain_text("megapixels a second", timeout=PATIENCE)
    waiting, refused = (opened_page(chromium, crowded_ui) for _ in range(2))
    start_long_work(waiting, large)
    expect(waiting.locator("#status")).to_contain_text("queue: 1/1", timeout=PATIENCE)
    start_long_work(refused, large)
    expect(refused.get_by_role("alert").last).to_contain_text("too many people are waiting", timeout=PATIENCE)
    expect(refused.locator("#cancel")).to_be_hidden()
    waiting.get_by_role("button", name="Cancel").click()
    expect(waiting.locator("#status")).to_contain_text("Cancelled", timeout=PATIENCE)
    page.get_by_role("button", name="Cancel").click()
    for choice in CHOICES_THAT_TAKE_LONG:
        refused.get_by_label(choice).uncheck()
    double_a_sample(refused)
    for other in (waiting, refused):
        other.context.close()


def test_a_reload_during_a_job_frees_the_cores(page: Page, large: Path) -> None:
    start_long_work(page, large)
    expect(page.locator("#status")).to_contain_text("megapixels a second", timeout=PATIENCE)
    page.reload()
    double_a_sample(page)


def test_two_tabs_do_not_mix(page: Page, tmp_path: Path) -> None:
    other = page.context.new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(page.url)
    for n, tab in enumerate((page, other)):
        photo = tmp_path / f"large_{n}.png"
        Image.fromarray(photo_like(40 + n, 60)).save(photo)
        tab.locator("#photos input[type=file]").set_input_files(photo)
        expect(tab.locator("#photos")).to_contain_text(photo.stem)
        tab.get_by_role("button", name="Double it").click()
    for n, tab in enumerate((page, other)):
        expect(tab.locator("#status")).to_contain_text(f"large_{n}_2x.png: 60x{40 + n} to 120x{80 + 2 * n}")


@pytest.mark.parametrize("name", ["x" * 296 + ".png", "../../outside.png"], ids=["300 characters", "a path"])
def test_a_strange_file_name_is_accepted(page: Page, ui_folder: Path, tmp_path: Path, name: str) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(photo_like(40, 60)).save(photo)
    file = FilePayload(name=name, mimeType="image/png", buffer=photo.read_bytes())
    page.locator("#photos input[type=file]").set_input_files(file)
    expect(page.locator("#photos")).to_contain_text(".png")
    page.get_by_role("button", name="Double it").click()
    expect(page.locator("#status")).to_contain_text(re.compile(r"(x{50,}|outside)_2x.png: 60x40 to 120x80"))
    assert not list(ui_folder.glob("outside*"))


@pytest.mark.parametrize("trouble", ["cancelled", "broken"])
def test_an_unfinished_upload_leaves_a_usable_page(page: Page, large: Path, trouble: str) -> None:
    if trouble == "broken":
        page.route("**/upload?*", lambda route: route.abort("connectionreset"))
    else:
        page.route("**/upload?*", lambda route: None)  # never answered
    page.locator("#photos input[type=file]").set_input_files(large)
    if trouble == "broken":
        expect(page.locator(".toast-body").first).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")
    page.reload()
    double_a_sample(page)


def test_a_second_model_can_be_chosen(page: Page) -> None:
    page.get_by_text("Choices").click()
    page.get_by_role("radio", name="best").check()
    double_a_sample(page)
    expect(page.locator("#status")).to_contain_text("model best (")


def test_a_click_in_the_comparison_moves_the_loupe(page: Page) -> None:
    double_a_sample(page)
    place = page.locator("#place img").last
    expect(place).to_have_attribute("src", re.compile("after_50_50.png"), timeout=PATIENCE)
    picture = page.locator("#slider img").first.bounding_box()
    assert picture
    at = Position(x=picture["width"] * 0.2, y=picture["height"] * 0.9)
    page.locator("#slider img").first.click(position=at, force=True)
    expect(place).to_have_attribute("src", re.compile("after_20_90.png"), timeout=PATIENCE)
    expect(page.get_by_label("range slider for Across, %")).to_have_value("20")
