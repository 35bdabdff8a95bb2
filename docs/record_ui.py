"""Record the main path of the web UI for the README: python docs/record_ui.py (needs `dev` and chromium).

From the first screen to the download, with a sample, as an animated WebP.
"""

import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, ViewportSize

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.browser import browser  # noqa: E402  the tests' folder is no package of the project
from support.processes import running_app  # noqa: E402

TARGET = Path(__file__).parent / "images" / "ui.webp"
SIZE = ViewportSize(width=1100, height=760)
SHOWN = 0.62  # of the size, in the README
PER_SECOND = 8
PAUSE = 2.0  # seconds to look at a state


def main() -> None:
    """Record the page of an app that is started for it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_app("apps.ui", {"TMPDIR": folder}) as (_, address),
        browser() as chromium,
    ):
        page = chromium.new_page(viewport=SIZE)
        page.goto(address)
        page.locator("#greeting photo-comparison canvas[aria-busy=false]").wait_for()
        frames = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in _shots(page)]
    small = [frame.resize((round(frame.width * SHOWN), round(frame.height * SHOWN))) for frame in frames]
    small[0].save(
        TARGET, save_all=True, append_images=small[1:], duration=1000 // PER_SECOND, loop=0, quality=60, method=6
    )
    print(TARGET, f"{len(frames) / PER_SECOND:.0f} s, {TARGET.stat().st_size / 1e6:.1f} MB")


def _shots(page: Page) -> Iterator[bytes]:
    """Yield screenshots of a visitor who compares, upscales a sample, compares again and looks at the download."""
    yield from _watch(page, PAUSE)
    yield from _drag(page, "#greeting photo-comparison")
    page.locator("[data-sample=pagoda]").click()
    yield from _watch(page, 2 * PAUSE)
    page.locator("#stage photo-comparison canvas[aria-busy=false]").wait_for()
    yield from _watch(page, PAUSE)
    yield from _drag(page, "#stage photo-comparison")
    page.locator("#download").hover()
    yield from _watch(page, PAUSE)


def _watch(page: Page, seconds: float) -> Iterator[bytes]:
    for _ in range(round(seconds * PER_SECOND)):
        started = time.monotonic()
        yield page.screenshot(type="jpeg", quality=95)
        time.sleep(max(1 / PER_SECOND - (time.monotonic() - started), 0))


def _drag(page: Page, comparison: str) -> Iterator[bytes]:
    """Drag the divider to the left and to the right."""
    box = page.locator(f"{comparison} .divider").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for offset in [*range(0, -301, -30), *range(-270, 301, 30), *range(270, -1, -30)]:
        page.mouse.move(x + offset, y)
        yield from _watch(page, 1 / PER_SECOND)
    page.mouse.up()


if __name__ == "__main__":
    main()
