"""The page in a browser: the first screen, one photo, and the options."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image, ImageCms
from playwright.sync_api import Browser, Page, expect

from benchmarks.pages import exceeded, first_visit
from support.browser import DESK, PHONE
from support.desk import choose, compared, downloaded, finished, id_of, opened, set_options, upscale
from support.pictures import photo_like

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1440, "height": 900}},
    "laptop": {"viewport": {"width": 1280, "height": 720}},
    "phone": {"viewport": PHONE, "has_touch": True, "is_mobile": True, "device_scale_factor": 2},
}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG with a colour profile and EXIF."""
    path = tmp_path / "holiday.jpg"
    exif = Image.Exif()
    exif[0x0110] = "A camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(photo_like(90, 130)).save(path, exif=exif, icc_profile=profile, quality=95)
    return path


def in_view(page: Page, selector: str) -> bool:
    """Return True if all of an element is on the screen without scrolling."""
    return bool(
        page.locator(selector).evaluate(
            "e => ((box) => box.top >= 0 && box.left >= 0 && box.right <= innerWidth && box.bottom <= innerHeight)"
            "(e.getBoundingClientRect())"
        )
    )


@pytest.mark.parametrize("screen", SCREENS)
def test_the_first_screen_shows_a_labelled_comparison_at_1_to_1(chromium: Browser, ui: str, screen: str) -> None:
    with opened(chromium, ui, **SCREENS[screen]) as page:
        compared(page, "#greeting")
        for label in ("Original", "Upscaled"):
            expect(page.locator("#greeting .name", has_text=label)).to_be_visible()
        expect(page.locator("#greeting output")).to_have_text("100 %")
        assert in_view(page, "#greeting .stage")
        assert in_view(page, "[data-do=choose]")
        assert page.evaluate("scrollY") == 0
        for fact in ("50 at once", "2 MB", "100 megapixels", "deleted an hour after", "Delete now", "Apache-2.0"):
            expect(page.locator("upscaling-desk")).to_contain_text(fact)
        for link in ("How it works", "How good it is", "Model card", "Source"):
            expect(page.get_by_role("link", name=link)).to_have_attribute("href", re.compile("^https://github.com/"))


def test_a_first_visit_keeps_its_budget_and_asks_no_other_host(chromium: Browser, fast_ui: str) -> None:
    visit = first_visit(chromium, fast_ui)
    assert visit.sizes["total"] > 0
    assert exceeded(visit) == []
    assert visit.late == []


def test_a_photo_is_chosen_compared_downloaded_and_deleted(page: Page, photo: Path) -> None:
    choose(page, photo)
    expect(page.locator("#give")).to_be_hidden()
    finished(page)
    compared(page)
    expect(page.locator("#sentence")).to_contain_text("Now 260 × 180 pixels, four times as many.")
    expect(page.locator("#bar")).to_contain_text("260 × 180 pixels · ")
    expect(page.locator("#download")).to_have_text("Download holiday_2x.jpg")
    for selector in ("#download", "[data-do=another]", "[data-do=delete]"):
        assert in_view(page, selector)
    offered = page.locator("a[download], a[href*='work/']").evaluate_all("links => links.map((link) => link.href)")
    assert [address.rpartition("/")[2] for address in offered if "/work/" in address] == ["result"]
    download = downloaded(page)
    assert download.suggested_filename == "holiday_2x.jpg"
    with Image.open(download.path()) as doubled, Image.open(photo) as original:
        assert (doubled.format, doubled.size) == ("JPEG", (260, 180))
        assert doubled.info["icc_profile"] == original.info["icc_profile"]
        assert doubled.getexif()[0x0110] == "A camera"
    address = f"{page.url.partition('#')[0]}work/{id_of(page)}"
    result = f"{address}/0/result"
    assert requests.get(result, timeout=60).ok
    page.get_by_role("button", name="Delete now").click()
    expect(page.locator("#note")).to_contain_text("Your pictures are deleted.")
    assert [requests.get(one, timeout=60).status_code for one in (address, result)] == [404, 404]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.go_back()
    expect(page.locator("upscaling-desk")).to_contain_text("These pictures were deleted; choose them again.")
    expect(page.get_by_role("button", name="Choose photos")).to_be_visible()
    page.go_back()
    page.wait_for_timeout(200)
    assert asked.count(address) == 1, "Back returns to what is deleted once"


WATCH = """
window.tops = [];
const watch = () => {
  const link = document.querySelector("[data-mode=done] #download");
  if (link) tops.push(link.getBoundingClientRect().top + scrollY);
  requestAnimationFrame(watch);
};
watch();
"""


@pytest.mark.parametrize("screen", SCREENS)
def test_the_download_does_not_move_when_the_comparison_comes(
    chromium: Browser, ui: str, photo: Path, screen: str
) -> None:
    """Else a press that began on the link can end beside it, and downloads nothing."""
    with opened(chromium, ui, **SCREENS[screen]) as page:
        page.add_init_script(WATCH)
        upscale(page, photo)
        page.reload()
        finished(page)
        compared(page)
        page.evaluate("new Promise(requestAnimationFrame)")
        tops = page.evaluate("tops")
        assert max(tops) - min(tops) < 3  # pixels


def test_a_new_photo_replaces_the_last(page: Page, photo: Path, tmp_path: Path) -> None:
    upscale(page, photo)
    other = tmp_path / "other.png"
    Image.fromarray(photo_like(40, 60)).save(other)
    shown = page.evaluate_handle(
        """() => {
            const seen = new Set(), desk = document.querySelector("upscaling-desk");
            const note = () => {
                const shown = desk.querySelector("#stage photo-comparison")?.dataset.address;
                seen.add(`${desk.querySelector("#download").textContent}: ${shown}`);
            };
            const all = { childList: true, subtree: true, attributes: true, characterData: true };
            new MutationObserver(note).observe(desk, all);
            return seen;
        }"""
    )
    first = id_of(page)
    another = page.get_by_role("button", name="Another photo")
    with page.expect_file_chooser():  # and then nothing is chosen
        another.click()
    compared(page)
    assert id_of(page) == first
    with page.expect_file_chooser() as chooser:
        another.click()
    chooser.value.set_files(other)
    expect(page.locator("#download")).to_have_text("Download other_2x.png")
    compared(page)
    assert id_of(page) != first
    pairs = page.evaluate("seen => [...seen]", shown)
    assert not any("other" in pair and first in pair for pair in pairs)
    with Image.open(downloaded(page).path()) as doubled:
        assert doubled.size == (120, 80)


def test_a_sample_takes_one_click_and_another_with_other_options(page: Page) -> None:
    page.locator("[data-sample]").first.click()
    finished(page)
    with Image.open(downloaded(page).path()) as doubled:
        assert doubled.size == (1536, 1024)
    page.locator("#options summary").click()
    page.get_by_label("Format of the result").select_option("WebP")
    page.get_by_role("button", name="Upscale again with these options").click()
    expect(page.locator("#download")).to_have_text("Download butterfly_2x.webp")


OF_ANOTHER_HOST = {"model": "no longer offered", "format": "JPEG XL", "quality": "best", "flips": "yes"}


def test_options_are_remembered_reset_and_used_again(page: Page, photo: Path) -> None:
    page.evaluate(f"localStorage.setItem('double-resolution options', '{json.dumps(OF_ANOTHER_HOST)}')")
    page.reload()
    expect(page.get_by_label("Format of the result")).to_have_value("as the original")
    expect(page.locator("[name=quality]")).to_have_value("95")
    expect(page.get_by_label("Cleaner edges")).not_to_be_checked()
    set_options(page, "Four times as wide and high")
    page.get_by_label("Format of the result").select_option("PNG")
    page.reload()
    page.locator("#options summary").click()
    expect(page.get_by_label("Four times as wide and high")).to_be_checked()
    expect(page.get_by_label("Format of the result")).to_have_value("PNG")
    upscale(page, photo)
    expect(page.locator("#download")).to_have_text("Download holiday_4x.png")
    expect(page.locator("#sentence")).to_contain_text("Now 520 × 360 pixels, 16 times as many.")
    again = page.get_by_role("button", name="Upscale again with these options")
    expect(again).to_be_hidden()
    page.get_by_role("button", name="Reset").click()
    again.click()
    expect(page.locator("#download")).to_have_text("Download holiday_2x.jpg")
    assert page.evaluate("localStorage.getItem('double-resolution options')") is None


def test_a_single_model_is_no_choice_and_several_are(page: Page, chromium: Browser, crowded_ui: str) -> None:
    page.locator("#options summary").click()
    expect(page.get_by_role("radio")).to_have_count(0)
    with opened(chromium, crowded_ui) as other:
        other.locator("#options summary").click()
        other.get_by_role("radio", name="best").check()
        other.locator("[data-sample]").first.click()
        finished(other)
        other.locator("#facts summary").click()
        expect(other.locator("#facts p")).to_contain_text("with the model best, revision ")


def test_two_people_at_once_each_get_their_own(chromium: Browser, ui: str, tmp_path: Path) -> None:
    with opened(chromium, ui, viewport=DESK) as one, opened(chromium, ui) as other:
        for n, page in enumerate((one, other)):
            file = tmp_path / f"of_{n}.png"
            Image.fromarray(photo_like(50 + 10 * n, 70)).save(file)
            choose(page, file)
        for n, page in enumerate((one, other)):
            expect(page.locator("#download")).to_have_text(f"Download of_{n}_2x.png")
            with Image.open(downloaded(page).path()) as doubled:
                assert doubled.size == (140, 100 + 20 * n)
