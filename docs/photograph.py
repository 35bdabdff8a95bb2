"""Screenshots of the web UI for ui.md, taken by python docs/photograph.py of one that serves on port 7860."""

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

DOCS = Path(__file__).parent
SAMPLES = DOCS.parent / "apps" / "ui" / "samples"
ADDRESS = "http://127.0.0.1:7860"
DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
GAP = 24  # pixels between two pictures


def main() -> None:
    """Take all screenshots."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with opened(browser, DESKTOP) as page:
            save([photographed(page)], "ui_first")
            photo = io.BytesIO()
            Image.open(SAMPLES / "pagoda.jpg").resize((3072, 2048)).save(photo, "JPEG")
            give(page, {"name": "pagoda.jpg", "mimeType": "image/jpeg", "buffer": photo.getvalue()})
            page.wait_for_function("document.querySelector('#share').value > 0.5")
            save([photographed(page)], "ui_working")
            page.get_by_role("button", name="Cancel").click()
            page.locator("[data-sample=ducks]").click()
            finish(page)
            save([photographed(page)], "ui_done")
            files = [SAMPLES / f"{name}.jpg" for name in ("butterfly", "ducks", "pagoda")]
            give(page, [*files, SAMPLES / "README.md"])
            finish(page)
            save([photographed(page)], "ui_several")
        save([on_phone(browser, scheme) for scheme in ("light", "dark")], "ui_phone")


@contextmanager
def opened(browser: Browser, context: dict[str, Any]) -> Iterator[Page]:
    """Open the page, with its example."""
    visitor = browser.new_context(**context)
    page = visitor.new_page()
    page.goto(ADDRESS)
    page.locator("#greeting photo-comparison").wait_for()
    yield page
    visitor.close()


def give(page: Page, files: Any) -> None:
    """Choose files, which replace the last."""
    before = page.url
    page.locator("#files").set_input_files(files)
    page.wait_for_url(lambda url: url != before)


def finish(page: Page) -> None:
    """Wait until the work is done and compared."""
    page.locator("upscaling-desk[data-mode=done]").wait_for(timeout=300_000)
    page.locator("#stage photo-comparison").wait_for()


def photographed(page: Page) -> Image.Image:
    """Return a screenshot, once the tiles have come."""
    page.wait_for_timeout(3000)
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def on_phone(browser: Browser, scheme: str) -> Image.Image:
    """Return a screenshot of a result on a phone."""
    with opened(browser, PHONE | {"color_scheme": scheme}) as page:
        page.locator("[data-sample]").first.click()
        finish(page)
        return photographed(page)


def save(pictures: list[Image.Image], name: str) -> None:
    """Save pictures side by side."""
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    together = Image.new("RGB", (width, pictures[0].height), "white")
    left = 0
    for picture in pictures:
        together.paste(picture, (left, 0))
        left += picture.width + GAP
    target = DOCS / "images" / f"{name}.webp"
    together.save(target, quality=82, method=6)
    print(target)


if __name__ == "__main__":
    main()
