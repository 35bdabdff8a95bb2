"""The viewer in a browser, on a page of its own, with pictures whose colours tell their pixels' places."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, FloatRect, Locator, Page, Route, expect

from apps.serving.viewer.comparison import Comparison
from apps.serving.viewer.markup import markup, script
from apps.serving.viewer.tiles import write
from support.browser import DESK, PATIENCE, PHONE
from support.pictures import photo_like
from upscaler import bicubic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WIDTH, HEIGHT = 3600, 2400  # of the upscaled picture
STEPS = 240  # of its colours
SPOT = (0.4, 0.6)
START = (SPOT[0] * WIDTH, SPOT[1] * HEIGHT)
HOST = "http://localhost"
PAGE = """<!doctype html><html lang="en"><title>Viewer</title><meta name="viewport" content="width=device-width">
<script type="module">{script}</script>
<body><main><h1>Viewer</h1><div id="place">{markup}</div><p style="height: 200vh">Text</p></main></body></html>"""
READ = """(canvas, [x, y]) => {
  const ratio = canvas.width / canvas.clientWidth;
  return [...canvas.getContext("2d").getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data];
}"""

NAME_OF_FOCUSED = """(() => {
  const focused = document.activeElement.shadowRoot.activeElement;
  return focused.dataset.does ?? focused.className;
})()"""
COMPARE = """(canvas) => {
  const shown = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const before = window.shownBefore ?? shown;
  window.shownBefore = shown;
  return shown.reduce((most, value, n) => Math.max(most, Math.abs(value - before[n])), 0);
}"""


@dataclass(frozen=True)
class Point:
    """A point of a picture that the viewer shows; in pixels of the upscaled picture."""

    picture: str
    x: float
    y: float


def picture(width: int, height: int, mark: int) -> Image.Image:
    """Draw a picture whose red and green tell columns and rows, and whose blue is `mark`."""
    y, x = np.mgrid[:height, :width]
    channels = (x * STEPS // width, y * STEPS // height, np.full_like(x, mark), np.full_like(x, 255))
    return Image.fromarray(np.dstack(channels).astype(np.uint8))


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Path]:
    """A comparison and the folder of its tiles, which are lossless because the pictures have alpha."""
    folder = tmp_path_factory.mktemp("viewer")
    picture(WIDTH // 2, HEIGHT // 2, 0).save(folder / "a.png")
    picture(WIDTH, HEIGHT, 255).save(folder / "a_2x.png")
    written = write(folder / "a.png", folder / "a_2x.png", folder / "tiles")
    return written.model_copy(update={"spot": SPOT}), folder / "tiles"


Opener = Callable[..., "Viewer"]


class Viewer:
    """The viewer on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)
        self.element = page.locator("photo-comparison")
        self.canvas = page.locator("photo-comparison canvas")
        self.divider = page.get_by_role("slider", name="Divider")
        self.zoom = page.locator("photo-comparison output")

    def settle(self) -> None:
        """Wait until the picture neither moves nor loads."""
        self.page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))")
        expect(self.canvas).to_have_attribute("aria-busy", "false", timeout=PATIENCE)

    def point(self, across: float = 0.75, down: float = 0.5) -> Point:
        """Return what is at a place, in shares of the view."""
        self.settle()
        box = self.box()
        red, green, blue, _ = self.canvas.evaluate(READ, [across * box["width"], down * box["height"]])
        return Point("upscaled" if blue > 128 else "original", red * WIDTH / STEPS, green * HEIGHT / STEPS)

    def scale(self) -> float:
        """Return the screen pixels per pixel of the upscaled picture, from the places at both ends of the view."""
        left, right = self.point(0.3), self.point(0.7)
        return float(0.4 * self.box()["width"] * self.page.evaluate("devicePixelRatio") / (right.x - left.x))

    def box(self) -> FloatRect:
        """Return the place of the view on the page."""
        box = self.canvas.bounding_box()
        assert box
        return box

    def middle(self) -> tuple[float, float]:
        """Return the middle of the right half on the page."""
        box = self.box()
        return box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"]


@pytest.fixture
def opened(chromium: Browser, comparison: tuple[Comparison, Path]) -> Iterator[Opener]:
    contexts: list[BrowserContext] = []

    def open_page(compared: tuple[Comparison, Path] = comparison, **options: Any) -> Viewer:
        context = chromium.new_context(**{"viewport": DESK, "reduced_motion": "reduce", **options})
        contexts.append(context)
        facts, folder = compared
        content = PAGE.format(script=script(), markup=markup(facts, f"{HOST}/tiles"))
        page = context.new_page()
        page.route(f"{HOST}/", lambda route: route.fulfill(body=content, content_type="text/html; charset=utf-8"))
        page.route(f"{HOST}/tiles/**", lambda route: serve_tile(route, folder))
        page.goto(f"{HOST}/")
        viewer = Viewer(page)
        viewer.settle()
        return viewer

    yield open_page
    for context in contexts:
        context.close()


def serve_tile(route: Route, folder: Path) -> None:
    path = folder / route.request.url.removeprefix(f"{HOST}/tiles/")
    route.fulfill(path=path) if path.is_file() else route.fulfill(status=404)


@pytest.fixture
def viewer(opened: Opener) -> Viewer:
    return opened()


@pytest.fixture
def phone(opened: Opener) -> Viewer:
    return opened(viewport=PHONE, device_scale_factor=3, has_touch=True, is_mobile=True)


def near(point: Point, x: float, y: float) -> bool:
    return abs(point.x - x) <= WIDTH / STEPS and abs(point.y - y) <= WIDTH / STEPS


@pytest.mark.parametrize("ratio", [1, 1.5, 2])
def test_it_opens_at_the_spot_with_one_pixel_per_screen_pixel(opened: Opener, ratio: float) -> None:
    viewer = opened(device_scale_factor=ratio)
    assert near(viewer.point(0.51), START[0] + 0.01 * viewer.box()["width"] * ratio, START[1])
    assert viewer.scale() == pytest.approx(1, rel=0.05)
    expect(viewer.zoom).to_have_text("100 %")


def test_each_half_shows_its_picture_under_its_name(viewer: Viewer) -> None:
    assert (viewer.point(0.25).picture, viewer.point(0.75).picture) == ("original", "upscaled")
    left, right = viewer.page.get_by_text("Original").bounding_box(), viewer.page.get_by_text("Upscaled").bounding_box()
    assert left
    assert right
    middle = viewer.box()["x"] + viewer.box()["width"] / 2
    assert left["x"] + left["width"] < middle < right["x"]


def test_both_pictures_have_the_same_place(viewer: Viewer) -> None:
    upscaled = viewer.point(0.6)
    viewer.page.get_by_role("button", name="Swap").click()
    original = viewer.point(0.6)
    assert original.picture == "original"
    assert near(original, upscaled.x, upscaled.y)


def test_dragging_moves_the_picture(viewer: Viewer) -> None:
    before = viewer.point()
    x, y = viewer.middle()
    viewer.page.mouse.move(x, y)
    viewer.page.mouse.down()
    viewer.page.mouse.move(x - 120, y - 90, steps=5)
    viewer.page.mouse.up()
    assert near(viewer.point(), before.x + 120, before.y + 90)
    assert viewer.scale() == pytest.approx(1, rel=0.05)


def test_the_wheel_zooms_about_the_pointer(viewer: Viewer) -> None:
    before = viewer.point()
    viewer.page.mouse.move(*viewer.middle())
    viewer.page.mouse.wheel(0, -300)
    assert viewer.scale() > 1.5
    assert near(viewer.point(), before.x, before.y)
    assert viewer.page.evaluate("scrollY") == 0


def test_a_wheel_that_scrolls_the_page_scrolls_on_over_the_picture(viewer: Viewer) -> None:
    viewer.page.mouse.move(10, 10)
    viewer.page.mouse.wheel(0, 30)
    viewer.page.mouse.move(*viewer.middle())
    viewer.page.mouse.wheel(0, 30)
    viewer.page.wait_for_function("scrollY === 60")
    expect(viewer.zoom).to_have_text("100 %")


def test_keys_move_and_zoom(viewer: Viewer) -> None:
    before = viewer.point()
    viewer.canvas.focus()
    viewer.page.keyboard.press("ArrowRight")
    assert viewer.point().x > before.x + 50
    viewer.page.keyboard.press("ArrowLeft")
    viewer.page.keyboard.press("ArrowDown")
    assert viewer.point().y > before.y + 50
    viewer.page.keyboard.press("+")
    assert viewer.scale() == pytest.approx(2**0.5, rel=0.05)
    viewer.page.keyboard.press("-")
    viewer.page.keyboard.press("-")
    assert viewer.scale() == pytest.approx(2**-0.5, rel=0.05)
    viewer.page.keyboard.press("1")
    assert viewer.scale() == pytest.approx(1, rel=0.05)
    viewer.page.keyboard.press("0")
    box = viewer.box()
    assert viewer.scale() == pytest.approx(min(box["width"] / WIDTH, box["height"] / HEIGHT), rel=0.05)


def test_from_the_whole_picture_one_to_one_returns_to_the_spot(viewer: Viewer) -> None:
    viewer.page.get_by_role("button", name="Fit").click()
    expect(viewer.zoom).not_to_have_text("100 %")
    viewer.page.get_by_role("button", name="1:1").click()
    expect(viewer.zoom).to_have_text("100 %")
    assert near(viewer.point(0.5), *START)


def test_a_double_click_zooms_in_and_back(viewer: Viewer) -> None:
    before = viewer.point()
    viewer.page.mouse.dblclick(*viewer.middle())
    expect(viewer.zoom).to_have_text("200 %")
    assert near(viewer.point(), before.x, before.y)
    viewer.page.wait_for_timeout(400)
    viewer.page.mouse.dblclick(*viewer.middle())
    assert viewer.scale() < 1


def test_the_divider_is_dragged_and_moved_by_keys(viewer: Viewer) -> None:
    knob = viewer.divider.bounding_box()
    assert knob
    x, y = knob["x"] + knob["width"] / 2, knob["y"] + knob["height"] / 2
    viewer.page.mouse.move(x, y)
    viewer.page.mouse.down()
    viewer.page.mouse.move(x + 0.3 * viewer.box()["width"], y, steps=3)
    viewer.page.mouse.up()
    expect(viewer.divider).to_have_attribute("aria-valuenow", "80")
    assert (viewer.point(0.75).picture, viewer.point(0.85).picture) == ("original", "upscaled")
    viewer.divider.focus()
    for key, value in (("ArrowLeft", "78"), ("PageDown", "68"), ("End", "100"), ("Home", "0"), ("ArrowRight", "2")):
        viewer.page.keyboard.press(key)
        expect(viewer.divider).to_have_attribute("aria-valuenow", value)
    assert viewer.point(0.1).picture == "upscaled"


def test_a_click_moves_the_divider_there(viewer: Viewer) -> None:
    viewer.page.mouse.click(*viewer.middle())
    expect(viewer.divider).to_have_attribute("aria-valuenow", "75")


def test_everything_is_reached_by_tab(viewer: Viewer) -> None:
    reached = []
    for _ in range(9):
        viewer.page.keyboard.press("Tab")
        reached.append(viewer.page.evaluate(NAME_OF_FOCUSED))
    assert reached == ["", "divider", "fit", "exact", "out", "in", "bicubic", "swap", "fill"]


def test_holding_space_swaps_both_halves(viewer: Viewer) -> None:
    viewer.canvas.focus()
    viewer.page.keyboard.down(" ")
    assert (viewer.point(0.25).picture, viewer.point(0.75).picture) == ("upscaled", "original")
    names = viewer.element.locator(".name")
    expect(names).to_have_text(["Upscaled", "Original"])
    viewer.page.keyboard.up(" ")
    assert (viewer.point(0.25).picture, viewer.point(0.75).picture) == ("original", "upscaled")
    assert viewer.page.evaluate("scrollY") == 0


def touch(viewer: Viewer, kind: str, *points: tuple[float, float]) -> None:
    touched = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(points)]
    viewer.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touched})


def swipe(viewer: Viewer, right: float, down: float) -> None:
    """Move one finger from the middle of the right half."""
    x, y = viewer.middle()
    touch(viewer, "touchStart", (x, y))
    for step in range(1, 11):
        touch(viewer, "touchMove", (x + right * step / 10, y + down * step / 10))
    viewer.page.wait_for_timeout(100)  # so that the picture isn't flicked
    touch(viewer, "touchEnd")


def test_a_vertical_swipe_scrolls_the_page(phone: Viewer) -> None:
    before = phone.point()
    swipe(phone, 0, -150)
    phone.page.wait_for_function("scrollY > 100")
    assert near(phone.point(), before.x, before.y)


def test_a_horizontal_swipe_moves_the_picture(phone: Viewer) -> None:
    before = phone.point()
    swipe(phone, -60, 0)
    assert near(phone.point(), before.x + 60 * 3, before.y)
    assert phone.page.evaluate("scrollY") == 0


def test_the_original_is_enlarged_bicubically_on_request(opened: Opener, tmp_path: Path) -> None:
    photo = photo_like(150, 200)
    opaque = np.full((150, 200, 1), 255, np.uint8)
    Image.fromarray(np.dstack([photo, opaque])).save(tmp_path / "a.png")
    Image.fromarray(np.dstack([bicubic.double(photo), opaque.repeat(2, 0).repeat(2, 1)])).save(tmp_path / "a_2x.png")
    facts = write(tmp_path / "a.png", tmp_path / "a_2x.png", tmp_path / "tiles")
    viewer = opened((facts, tmp_path / "tiles"))
    plain = difference_of_swapped(viewer)
    viewer.page.get_by_role("button", name="Bicubic").click()
    assert difference_of_swapped(viewer) <= 2 < 10 < plain


def difference_of_swapped(viewer: Viewer) -> int:
    """Return the largest difference of a channel between the original and the upscaled picture, in the whole view."""
    viewer.divider.press("Home")
    viewer.settle()
    viewer.canvas.evaluate(COMPARE)
    viewer.page.get_by_role("button", name="Swap").click()
    viewer.settle()
    return int(viewer.canvas.evaluate(COMPARE))


def test_two_fingers_pinch(phone: Viewer) -> None:
    x, y = phone.middle()
    before = phone.point()
    for kind, apart in (("touchStart", 20), *(("touchMove", 20 + 2 * step) for step in range(1, 11))):
        touch(phone, kind, (x - apart, y), (x + apart, y))
    touch(phone, "touchEnd")
    assert phone.scale() == pytest.approx(2, rel=0.1)
    assert near(phone.point(), before.x, before.y)
    assert phone.page.evaluate("visualViewport.scale") == 1


def test_two_fingers_move_the_picture_up_without_scrolling(phone: Viewer) -> None:
    x, y = phone.middle()
    before = phone.point()
    for kind, moved in (("touchStart", 0), *(("touchMove", 10 * step) for step in range(1, 11))):
        touch(phone, kind, (x - 40, y - moved), (x + 40, y - moved))
    touch(phone, "touchEnd")
    assert near(phone.point(), before.x, before.y + 300)
    assert phone.page.evaluate("scrollY") == 0


def test_a_tap_moves_the_divider(phone: Viewer) -> None:
    phone.page.touchscreen.tap(*phone.middle())
    expect(phone.divider).to_have_attribute("aria-valuenow", "75")


def test_it_fits_the_phone(phone: Viewer) -> None:
    assert phone.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert phone.box()["height"] == pytest.approx(PHONE["height"] / 2, abs=1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wrong_for_assistive_technology(opened: Opener, scheme: str) -> None:
    viewer = opened(color_scheme=scheme)
    violations = Axe().run(viewer.page).response["violations"]
    assert [violation["id"] for violation in violations] == []


def test_replaced_markup_ends_the_old_viewer(viewer: Viewer) -> None:
    old = viewer.page.evaluate_handle("document.querySelector('photo-comparison').canvas")
    viewer.page.evaluate("(place => place.innerHTML = place.innerHTML)(document.querySelector('#place'))")
    assert old.evaluate("canvas => canvas.width") == 0  # its memory is free
    assert near(viewer.point(0.51), START[0] + 0.01 * viewer.box()["width"], START[1])
    viewer.page.mouse.move(*viewer.middle())
    viewer.page.mouse.wheel(0, -100)
    assert viewer.scale() == pytest.approx(np.exp(0.22), rel=0.05)  # zoomed once, not by both


def test_an_element_turned_into_another_viewers_shows_its_picture(viewer: Viewer) -> None:
    viewer.page.get_by_role("button", name="Fit").click()
    viewer.element.evaluate("""(element) => {
      element.dataset.address += "/."; // another address of the same tiles; Gradio changes one attribute after another
      element.dataset.spot = "0.6 0.4";
    }""")
    expect(viewer.zoom).to_have_text("100 %")
    assert near(viewer.point(0.51), 0.6 * WIDTH + 0.01 * viewer.box()["width"], 0.4 * HEIGHT)


def test_tiles_that_do_not_load_are_named_and_asked_for_again(viewer: Viewer) -> None:
    def abort(route: Route) -> None:
        route.abort()

    viewer.page.route(f"{HOST}/tiles/**", abort)
    viewer.page.get_by_role("button", name="Fit").click()
    trouble = viewer.element.locator(".trouble")
    expect(trouble).to_contain_text("not loading")
    viewer.page.unroute(f"{HOST}/tiles/**", abort)
    expect(trouble).to_be_empty()
    viewer.settle()


def test_full_screen_lets_one_finger_move_the_picture(phone: Viewer) -> None:
    button: Locator = phone.page.get_by_role("button", name="Full screen")
    button.tap()
    phone.page.wait_for_function("document.fullscreenElement")
    assert phone.canvas.evaluate("canvas => getComputedStyle(canvas).touchAction") == "none"
