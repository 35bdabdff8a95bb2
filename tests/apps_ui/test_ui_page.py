"""The page in a browser."""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image, ImageCms
from playwright.sync_api import Browser, Download, Page, expect

from support.browser import DESK, PATIENCE, PHONE, watch_requests
from support.pictures import photo_like

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CHOICES_THAT_TAKE_LONG = ("Finest", "Four times")  # takes minutes, far longer than a busy browser needs to cancel


@pytest.fixture
def page(chromium: Browser, ui: str) -> Iterator[Page]:
    opened = chromium.new_page(viewport=DESK)
    opened.set_default_timeout(PATIENCE)
    opened.goto(ui)
    opened.get_by_role("button", name="Double it").wait_for()
    yield opened
    opened.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG with a colour profile and EXIF."""
    path = tmp_path / "holiday.jpg"
    image = Image.fromarray(photo_like(90, 130))
    exif = Image.Exif()
    exif[0x0110] = "A camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(path, exif=exif, icc_profile=profile, quality=95)
    return path


def choose(page: Page, *files: Path) -> None:
    page.locator("#photos input[type=file]").set_input_files(list(files))
    expect(page.locator("#photos")).to_contain_text(files[-1].suffix, timeout=PATIENCE)


def double(page: Page, *files: Path) -> None:
    choose(page, *files)
    page.get_by_role("button", name="Double it").click()


def downloaded(page: Page) -> Download:
    link = page.locator("#download")
    expect(link).to_be_visible(timeout=PATIENCE)
    with page.expect_download(timeout=PATIENCE) as download:
        link.click()
    return download.value


def status(page: Page, sentence: str) -> None:
    expect(page.locator("#status")).to_contain_text(re.compile(sentence), timeout=PATIENCE)


def test_a_photo_is_upscaled_with_profile_and_exif(page: Page, photo: Path) -> None:
    double(page, photo)
    download = downloaded(page)
    assert download.suggested_filename == "holiday_2x.jpg"
    with Image.open(download.path()) as doubled, Image.open(photo) as original:
        assert doubled.format == "JPEG"
        assert doubled.size == (260, 180)
        assert doubled.info["icc_profile"] == original.info["icc_profile"]
        assert doubled.getexif()[0x0110] == "A camera"
    status(page, r"130x90 to 260x180, .* megapixels a second, model model \([0-9a-f]{12}\)")
    expect(page.locator("#slider img").first).to_be_visible()


def test_one_click_doubles_a_sample_and_no_request_leaves_the_host(chromium: Browser, ui: str) -> None:
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    foreign = watch_requests(page, ui)
    page.goto(ui)
    page.locator("#samples button, #samples .gallery-item").first.click()
    with Image.open(downloaded(page).path()) as doubled:
        assert doubled.size == (1536, 1024)
    assert foreign == []
    page.close()


def test_several_photos_come_back_as_one_zip(page: Page, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.png" for name in ("one", "two")]
    for n, file in enumerate(files):
        Image.fromarray(photo_like(40 + n, 60)).save(file)
    double(page, *files)
    status(page, "two_2x.png: 60x41 to 120x82")
    with zipfile.ZipFile(downloaded(page).path()) as archive:
        assert archive.namelist() == ["one_2x.png", "two_2x.png"]
        assert Image.open(io.BytesIO(archive.read("two_2x.png"))).size == (120, 82)


def test_cancel_is_immediate_and_the_next_photo_is_upscaled(page: Page, photo: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    Image.fromarray(photo_like(500, 800)).resize((3200, 2000)).save(large, quality=70)
    choose(page, large)
    page.get_by_text("Choices").click()
    for choice in CHOICES_THAT_TAKE_LONG:
        page.get_by_label(choice).check()
    page.get_by_role("button", name="Double it").click()
    status(page, "megapixels a second")
    page.get_by_role("button", name="Cancel").click()
    status(page, "Cancelled")
    for choice in CHOICES_THAT_TAKE_LONG:
        page.get_by_label(choice).uncheck()
    page.get_by_role("button", name="Clear").first.click()
    double(page, photo)
    status(page, "130x90 to 260x180")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"words, not pixels", "broken.jpg is not a readable picture"),
        (b"", "broken.jpg is not a readable picture"),
        (None, "is broken"),
    ],
    ids=["text", "empty", "truncated"],
)
def test_a_broken_file_gets_a_sentence(page: Page, photo: Path, content: bytes | None, sentence: str) -> None:
    broken = photo.with_name("broken.jpg")
    broken.write_bytes(photo.read_bytes()[:-900] if content is None else content)
    double(page, broken)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(sentence, timeout=PATIENCE)
    expect(alert).not_to_contain_text("/")
    expect(page.locator("#download")).to_be_hidden()


def test_a_file_over_the_limit_gets_a_sentence(page: Page, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(bytes(3 * 1024**2))
    page.locator("#photos input[type=file]").set_input_files(large)
    expect(page.get_by_text(re.compile("exceeds|too large|maximum", re.IGNORECASE)).first).to_be_visible()


def test_a_single_model_is_not_offered_as_a_choice(page: Page) -> None:
    page.get_by_text("Choices").click()
    page.get_by_label("Finest").wait_for()
    expect(page.get_by_role("radio")).to_have_count(0)


def test_nothing_chosen_gets_a_sentence(page: Page) -> None:
    page.get_by_role("button", name="Double it").click()
    status(page, "Choose a photo first")


def test_two_people_at_once_each_get_their_own(chromium: Browser, ui: str, tmp_path: Path) -> None:
    contexts = [chromium.new_context() for _ in range(2)]
    pages = [context.new_page() for context in contexts]
    for n, page in enumerate(pages):
        page.set_default_timeout(PATIENCE)
        page.goto(ui)
        file = tmp_path / f"of_{n}.png"
        Image.fromarray(photo_like(50 + 10 * n, 70)).save(file)
        double(page, file)
    for n, page in enumerate(pages):
        with Image.open(downloaded(page).path()) as doubled:
            assert doubled.size == (140, 100 + 20 * n)
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone(chromium: Browser, ui: str, scheme: Literal["light", "dark"]) -> None:
    context = chromium.new_context(viewport=PHONE, color_scheme=scheme)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(ui)
    expect(page.get_by_role("button", name="Double it")).to_be_visible(timeout=PATIENCE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate("document.body.classList.contains('dark')") is (scheme == "dark")
    context.close()


# Issues of Gradio: the upload area's name differs from its visible text, and it is inside a button when filled
GRADIOS_OWN = {"label-content-name-mismatch", "nested-interactive"}


def test_axe_finds_no_serious_accessibility_issue(page: Page) -> None:
    page.get_by_text("Choices").click()
    page.locator("#samples button").first.click()
    expect(page.locator("#download")).to_be_visible(timeout=PATIENCE)
    found = Axe().run(page).response["violations"]
    serious = {violation["id"] for violation in found if violation["impact"] in ("serious", "critical")}
    assert serious <= GRADIOS_OWN
