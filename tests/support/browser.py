"""A real browser for tests of the pages: Debian's chromium, driven by playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"),
    # The suggestions of the address bar are pages themselves, which took 0.8 seconds for each window
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
]
PATIENCE = 90_000  # milliseconds; machines that run tests may be busy
expect.set_options(timeout=PATIENCE)

DESK, PHONE = ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)


@contextmanager
def browser() -> Iterator[Browser]:
    """A headless browser. Skips the test, with a sentence, where there is none."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on this machine: install it (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield started
        started.close()


def watch_requests(page: Page, host: str) -> list[str]:
    """A list that fills with the addresses of all requests of the page that leave `host`."""
    foreign: list[str] = []

    def note(address: str) -> None:
        if not address.startswith((host, "data:", "blob:")):
            foreign.append(address)

    page.on("request", lambda request: note(request.url))
    return foreign
