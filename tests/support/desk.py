"""The web UI's page in a browser, as a person uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import Browser, Download, Page, expect

from support.browser import DESK, PATIENCE

TAKES_LONG = ("Cleaner edges", "Four times as wide and high")  # options with which a photo takes minutes


@contextmanager
def opened(chromium: Browser, address: str, **context: Any) -> Iterator[Page]:
    """Open the page in a browser of its own; an error of its scripts fails the test."""
    visitor = chromium.new_context(**({"viewport": DESK} | context))
    visitor.set_default_timeout(PATIENCE)
    page = visitor.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.locator("upscaling-desk[data-mode]").wait_for()  # its script has begun
    try:
        yield page
    finally:
        if work := id_of(page):  # so that the next visitor need not wait for it
            requests.post(f"{page.url.partition('#')[0]}work/{work}/cancel", timeout=60)
        visitor.close()
    assert errors == []


def choose(page: Page, *files: Path) -> None:
    """Choose files as the picker would."""
    page.locator("#files").set_input_files(list(files))


def upscale(page: Page, *files: Path) -> None:
    """Choose files and wait until nothing is left to do."""
    before = page.url
    choose(page, *files)
    page.wait_for_url(lambda url: url != before)
    finished(page)


def finished(page: Page) -> None:
    """Wait until the page shows that the work is done."""
    expect(page.locator("upscaling-desk")).to_have_attribute("data-mode", "done")


def compared(page: Page, place: str = "#stage") -> None:
    """Wait until a comparison is shown in `place`."""
    expect(page.locator(f"{place} photo-comparison")).to_be_visible()


def downloaded(page: Page, link: str = "#download") -> Download:
    """Press a download button; return the file."""
    with page.expect_download() as download:
        page.locator(link).click()
    return download.value


def id_of(page: Page) -> str:
    """Return the id of the work in the page's address."""
    return page.url.partition("#")[2]


def state(page: Page) -> dict[str, Any]:
    """Ask the server for the state of the page's work."""
    address = page.url.partition("#")[0]
    answer = requests.get(f"{address}work/{id_of(page)}", timeout=60)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def set_options(page: Page, *names: str, checked: bool = True) -> None:
    """Open the options, and tick or untick some."""
    page.locator("#options").evaluate("options => (options.open = true)")
    for name in names:
        page.get_by_label(name).set_checked(checked)


def drop(page: Page, files: list[Path], target: str = "body") -> bool:
    """Drop files on the page; return True if the page, not the browser, takes them."""
    named = [{"name": file.name, "bytes": list(file.read_bytes())} for file in files]
    taken: bool = page.evaluate(
        """([files, target]) => {
            const transfer = new DataTransfer();
            files.forEach(({ name, bytes }) => transfer.items.add(new File([new Uint8Array(bytes)], name)));
            const send = (type) => {
                const event = new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true });
                return !document.querySelector(target).dispatchEvent(event);
            };
            send("dragenter");
            return send("dragover") && send("drop");
        }""",
        [named, target],
    )
    return taken
