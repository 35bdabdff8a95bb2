"""First visit of both apps' pages against page_budget.json: what it loads, and when the page can be used.

The budget has the format of Lighthouse's: sizes in kB, times in ms.
"""

import json
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from benchmarks.serving import APPS
from benchmarks.serving.app import served

BUDGET = Path(__file__).with_name("page_budget.json")
SLOWDOWN = 4  # of the browser's processor
VISITS = 3  # the fastest counts
PATIENCE = 90_000  # milliseconds
_QUIET = 5000  # milliseconds without a long task, after which a page counts as interactive since the last one
_SHOWN = "photo-comparison canvas[aria-busy=false]"
_TYPES = ("Document", "Font", "Image", "Media", "Script", "Stylesheet")
_CHUNKS = "performance.getEntriesByType('resource').map(({ name }) => name).filter((it) => it.includes('/assets/'))"
_OBSERVE = """
    window.busyUntil = 0;
    new PerformanceObserver((list) => list.getEntries().forEach(({ startTime, duration }) => {
        window.busyUntil = startTime + duration;
    })).observe({ type: "longtask", buffered: true });
"""


@dataclass(frozen=True)
class Visit:
    """A first visit. `sizes` in bytes as transferred and `counts` of requests, by resource type; `interactive` in ms.

    `late`: Gradio's chunks that the page's HTML does not announce, so that they wait for others. A page is interactive
    when its comparison is shown and the last task of more than 50 ms is over.
    """

    sizes: Counter[str]
    counts: Counter[str]
    interactive: float
    late: list[str]


def main() -> None:
    """Print the figures and what exceeds the budget."""
    print(f"processor slowed {SLOWDOWN} times, fastest of {VISITS}")
    print("| page | kB | requests | interactive in ms | over the budget |\n|---|---|---|---|---|")
    with sync_playwright() as playwright, tempfile.TemporaryDirectory(prefix="benchmark_") as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for app in APPS:
            place = Path(folder) / app
            place.mkdir()
            with served(app, place, 3600) as running:
                first_visit(browser, running.address)  # the monitor upscales today's picture
                visits = [first_visit(browser, running.address, SLOWDOWN) for _ in range(VISITS)]
            visit = min(visits, key=lambda visit: visit.interactive)
            over = exceeded(visit) + exceeded_times(visit)
            print(
                f"| {app} | {visit.sizes['total'] / 1000:.0f} | {visit.counts['total']} | {visit.interactive:.0f} | "
                f"{'; '.join(over) or 'nothing'} |"
            )


def first_visit(browser: Browser, address: str, slowdown: float = 1) -> Visit:
    """Open a page with an empty cache, on a processor slowed `slowdown` times."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(PATIENCE)
    types: dict[str, str] = {}
    sizes, counts = Counter[str](), Counter[str]()
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})

    def sent(event: dict[str, Any]) -> None:
        url, kind = event["request"]["url"], event["type"]
        if not url.startswith(("data:", "blob:")):
            types[event["requestId"]] = kind.lower() if kind in _TYPES else "other"
            counts["third-party"] += not url.startswith(address)

    def received(event: dict[str, Any]) -> None:
        if kind := types.get(event["requestId"]):
            for column in (kind, "total"):
                sizes[column] += event["encodedDataLength"]
                counts[column] += 1

    session.on("Network.requestWillBeSent", sent)
    session.on("Network.loadingFinished", received)
    page.add_init_script(_OBSERVE)
    answer = page.goto(address)
    assert answer
    html = answer.text()
    page.locator(_SHOWN).first.wait_for()
    shown: float = page.evaluate("performance.now()")
    page.wait_for_function(f"performance.now() > busyUntil + {_QUIET}")
    interactive = max(shown, page.evaluate("busyUntil"))
    late = [address for address in page.evaluate(_CHUNKS) if address.rpartition("/")[2] not in html]
    page.close()
    return Visit(sizes, counts, interactive, late)


def exceeded(visit: Visit) -> list[str]:
    """List the sizes and counts over the budget."""
    return [
        f"{kind}: {found:.0f} {unit}, budget {budget}"
        for table, values, unit, scale in (
            ("resourceSizes", visit.sizes, "kB", 1000),
            ("resourceCounts", visit.counts, "requests", 1),
        )
        for kind, budget in _budget(table, "resourceType").items()
        if (found := values[kind] / scale) > budget
    ]


def exceeded_times(visit: Visit) -> list[str]:
    """List the times over the budget."""
    budget = _budget("timings", "metric")["interactive"]
    return [f"interactive: {visit.interactive:.0f} ms, budget {budget}"] if visit.interactive > budget else []


def _budget(table: str, name: str) -> dict[str, float]:
    (budget,) = json.loads(BUDGET.read_text(encoding="utf-8"))
    return {entry[name]: entry["budget"] for entry in budget[table]}
