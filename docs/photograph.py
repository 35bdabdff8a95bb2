"""Screenshots of the web UI for ui.md, and a recording of its main path for the README.

Taken by python docs/photograph.py of one that serves on port 7860.
"""

import io
import shutil
import time
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
RECORDED: dict[str, Any] = {"viewport": {"width": 1100, "height": 760}}
GAP = 24  # pixels between two pictures
SHOWN = 0.62  # size of the recording in the README
PER_SECOND = 8
PAUSE = 2.0  # seconds to look at a state


def main() -> None:
    """Take all screenshots."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        with opened(browser, DESKTOP) as page:
            save([photographed(page)], "ui_first")
            photo = io.BytesIO()
            Image.open(SAMPLES / "pagoda.jpg").resize((6144, 4096)).save(photo, "JPEG")
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
        with opened(browser, RECORDED) as page:
            save_recording([Image.open(io.BytesIO(shot)).convert("RGB") for shot in main_path(page)])


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


def save_recording(frames: list[Image.Image]) -> None:
    """Save frames as an animation."""
    small = [frame.resize((round(frame.width * SHOWN), round(frame.height * SHOWN))) for frame in frames]
    target = DOCS / "images" / "ui.webp"
    milliseconds = 1000 // PER_SECOND
    small[0].save(target, save_all=True, append_images=small[1:], duration=milliseconds, loop=0, quality=60, method=6)
    print(target, f"{len(frames) / PER_SECOND:.0f} s, {target.stat().st_size / 1e6:.1f} MB")


def main_path(page: Page) -> Iterator[bytes]:
    """Yield screenshots of a visitor who compares, upscales a sample, compares again and looks at the download."""
    page.locator("#greeting photo-comparison canvas[aria-busy=false]").wait_for()
    yield from watch(page, PAUSE)
    yield from drag(page, "#greeting photo-comparison")
    page.locator("[data-sample=pagoda]").click()
    yield from watch(page, 2 * PAUSE)
    page.locator("#stage photo-comparison canvas[aria-busy=false]").wait_for()
    yield from watch(page, PAUSE)
    yield from drag(page, "#stage photo-comparison")
    page.locator("#download").hover()
    yield from watch(page, PAUSE)


def watch(page: Page, seconds: float) -> Iterator[bytes]:
    """Yield the screenshots of some seconds."""
    for _ in range(round(seconds * PER_SECOND)):
        started = time.monotonic()
        yield page.screenshot(type="jpeg", quality=95)
        time.sleep(max(1 / PER_SECOND - (time.monotonic() - started), 0))


def drag(page: Page, comparison: str) -> Iterator[bytes]:
    """Drag the divider to the left and to the right."""
    box = page.locator(f"{comparison} .divider").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for offset in [*range(0, -301, -30), *range(-270, 301, 30), *range(270, -1, -30)]:
        page.mouse.move(x + offset, y)
        yield from watch(page, 1 / PER_SECOND)
    page.mouse.up()


if __name__ == "__main__":
    main()
