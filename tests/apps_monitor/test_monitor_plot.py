"""The plot of the monitor: its markup, and its points under a mouse, a finger and the keyboard."""

import datetime as dt
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page, ViewportSize, expect

from apps.monitor import app, plot
from apps.monitor.history import Row
from support.browser import DESK

FIRST = dt.date(2026, 8, 30)
ADDRESS = "http://monitor.test/"
GAINS = [2.0 + 0.1 * (n % 7) for n in range(88)] + [-0.4, 6.0]


def rows(gains: list[float], title: str = "A comet") -> list[Row]:
    """Measurements of successive days."""
    same = {"revision": "1", "model": "fast", "width": 90, "height": 90, "measured_width": 90, "measured_height": 90}
    scores = {
        "psnr": 30.0,
        "ssim": 0.9,
        "bicubic_psnr": 29.0,
        "bicubic_ssim": 0.8,
        "seconds": 1.0,
        "measured_at": "now",
    }
    return [
        Row.model_validate(same | scores | {"day": str(FIRST + dt.timedelta(n)), "title": title, "gain": gain})
        for n, gain in enumerate(gains)
    ]


def shares(markup: str, axis: str) -> list[float]:
    """Places of everything along an axis."""
    return [float(share) for share in re.findall(rf"--{axis}:([^;\"]+)", markup)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_all_is_inside_the_plot_between_a_few_round_levels(gains: list[float]) -> None:
    markup = plot.render(rows(gains))
    assert all(0 <= share <= 1 for axis in "xy" for share in shares(markup, axis))
    assert 2 <= markup.count("<span>") <= 7
    assert "<span>0</span>" in markup


def test_each_day_is_a_link_with_a_name_and_the_newest_ones_are_shown() -> None:
    markup = plot.render(rows([1.0] * plot.MOST_DAYS + [2.345], "<b>Ducks</b> & more"))
    assert f'href="#{FIRST}"' not in markup
    newest = dt.date(2027, 8, 31)
    assert markup.count(f'href="#{newest}"') == 2
    assert (
        'aria-label="31 August 2027: &lt;b&gt;Ducks&lt;/b&gt; &amp; more, 2.35 dB, far from the usual gain"' in markup
    )
    assert "366 days: 1.0 dB at the median, 1.0 to 2.3 dB." in markup


def test_the_first_day_and_no_day_have_a_sentence() -> None:
    assert "No day has been measured yet" in plot.render([])
    assert "One day is measured: 2.5 dB." in plot.render(rows([2.5]))


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page of the plot alone, on a touch screen."""
    style, script = ((app.HERE / f"plot.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    markup = f"<style>{style}</style><div id=measured>{plot.render(rows(GAINS))}</div><script>{script}</script>"
    with chromium.new_context(viewport=DESK, has_touch=True) as context:
        opened = context.new_page()
        opened.route(ADDRESS, lambda route: route.fulfill(body=markup, content_type="text/html; charset=utf-8"))
        opened.goto(ADDRESS)
        yield opened


def chosen(page: Page, text: str) -> None:
    expect(page.locator(".chosen")).to_contain_text(text)


def test_a_mouse_chooses_the_nearest_point_and_opens_it(page: Page) -> None:
    chosen(page, "27 November 2026: A comet, 6.00 dB, far from the usual gain")
    plane = page.locator(".plane").bounding_box()
    assert plane is not None
    left, middle = plane["x"], plane["y"] + plane["height"] / 2
    page.mouse.move(left, middle)
    chosen(page, "30 August 2026")
    page.mouse.click(left, middle + 8)
    expect(page).to_have_url(f"{ADDRESS}#{FIRST}")
    page.locator(".worse[href]").click()
    expect(page).to_have_url(f"{ADDRESS}#2026-11-26")


def test_a_finger_chooses_a_point_and_the_link_below_opens_it(page: Page) -> None:
    page.set_viewport_size(ViewportSize(width=360, height=740))
    page.locator(".worse[href]").tap()
    chosen(page, "26 November 2026: A comet, \N{MINUS SIGN}0.40 dB, worse than bicubic")
    expect(page).to_have_url(ADDRESS)
    page.locator(".chosen").tap()
    expect(page).to_have_url(f"{ADDRESS}#2026-11-26")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_keyboard_goes_from_day_to_day(page: Page) -> None:
    page.keyboard.press("Tab")
    for key, day in (("ArrowRight", "27 November"), ("ArrowLeft", "26 November"), ("Home", "30 August")):
        page.keyboard.press(key)
        chosen(page, day)
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{ADDRESS}#{FIRST}")
    page.keyboard.press("Tab")
    expect(page.locator(".chosen")).to_be_focused()


def dates(page: Page) -> list[str]:
    return page.locator(".dates li").all_inner_texts()


def test_dates_of_several_years_name_them_and_do_not_meet(page: Page) -> None:
    assert not any("20" in date for date in dates(page))
    several = rows(GAINS)
    several[0] = several[0].model_copy(update={"day": "1996-12-26"})
    page.set_viewport_size({"width": 320, "height": 700})
    page.locator("#measured").evaluate("(plot, markup) => { plot.innerHTML = markup }", plot.render(several))
    assert dates(page)[0] == "26\N{NO-BREAK SPACE}Dec 1996"
    boxes = [label.bounding_box() for label in page.locator(".dates li").all()]
    link = page.locator(".chosen").bounding_box()
    assert all(one and other and one["x"] + one["width"] < other["x"] for one, other in pairwise(boxes))
    assert all(box and link and box["y"] + box["height"] <= link["y"] for box in boxes)
