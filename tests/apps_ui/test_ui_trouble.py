"""Trouble in a browser: work survives reloads, other pages, lost connections, and a closed browser."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, Dialog, Page, Route, expect

from support.desk import TAKES_LONG, choose, compared, finished, id_of, opened, set_options, state, upscale
from support.pictures import photo_like

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
OUTAGE = 6_000  # milliseconds
COMPARISON = "**/work/*/*/comparison"
UPLOADS = "**/work/*?name=*"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.png"
    Image.fromarray(photo_like(40, 60)).save(path)
    return path


def at_work(page: Page) -> None:
    expect(page.locator("upscaling-desk")).to_have_attribute("data-mode", "working")
    expect(page.locator("#left")).to_contain_text(" left")


def test_work_is_found_again_after_reload_back_and_in_another_tab(page: Page, small: Path, large: Path) -> None:
    start = page.url
    upscale(page, small)
    result = page.url
    set_options(page, *TAKES_LONG)
    choose(page, large)
    at_work(page)
    work = page.url
    page.reload()
    at_work(page)
    page.go_back()
    expect(page.locator("#download")).to_have_text("Download small_2x.png")
    compared(page)
    page.go_forward()
    at_work(page)
    for address, download in ((work, None), (result, "Download small_2x.png")):
        tab = page.context.new_page()
        tab.goto(address)
        expect(tab.locator("#download")).to_have_text(download) if download else at_work(tab)
        tab.close()
    page.goto(start)
    page.get_by_role("link", name="Back to your last photos").click()
    at_work(page)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#note")).to_contain_text("Cancelled")


def test_a_closed_browser_loses_nothing(chromium: Browser, ui: str, small: Path) -> None:
    with opened(chromium, ui) as page:
        choose(page, small)
        page.wait_for_url("**/#*")
        expect(page.locator("upscaling-desk")).to_have_attribute("data-mode", "done")
        address = page.url
    with opened(chromium, ui) as another:
        another.goto(address)
        another.reload()
        expect(another.locator("#download")).to_have_text("Download small_2x.png")


def test_six_seconds_without_network_in_mid_work(page: Page, large: Path) -> None:
    set_options(page, *TAKES_LONG)
    choose(page, large)
    at_work(page)
    work = id_of(page)
    page.context.set_offline(True)
    expect(page.locator("#left")).to_contain_text("The connection is gone. Your pictures are kept; trying again…")
    page.wait_for_timeout(OUTAGE)
    page.context.set_offline(False)
    expect(page.locator("#left")).not_to_contain_text("The connection is gone")
    assert id_of(page) == work
    assert state(page)["pictures"][0]["state"] in ("working", "done")
    if page.locator("[data-do=cancel]").is_visible():
        page.get_by_role("button", name="Cancel").click()


def test_what_a_server_that_was_started_anew_has_lost_is_uploaded_again(page: Page, small: Path, large: Path) -> None:
    other = small.with_name("other.png")
    other.write_bytes(small.read_bytes())
    set_options(page, *TAKES_LONG)
    page.route("**/work/*?name=other.png*", lambda route: route.abort("connectionreset"))
    choose(page, small, large, other)
    expect(page.locator("#cards li[data-state=done]")).to_have_count(1)
    expect(page.locator("#cards li[data-state=working]")).to_have_count(1)
    before = page.url
    page.context.set_offline(True)
    expect(page.locator("#left")).to_have_text(
        "The connection is gone; trying again… 1 of 3 not uploaded yet: keep this page open."
    )
    requests.delete(before.replace("#", "work/"), timeout=60).raise_for_status()  # as a restart does
    page.unroute_all(behavior="ignoreErrors")
    page.context.set_offline(False)
    expect(page.locator("#refusals li")).to_have_text(
        "The server no longer has these pictures; those that were not done are uploaded again."
    )
    expect(page.locator("#cards .name")).to_have_text(["large.jpg", "other.png"])
    expect(page.locator("#cards li[data-state=working]")).to_have_count(1)
    assert page.url != before
    requests.delete(page.url.replace("#", "work/"), timeout=60).raise_for_status()  # by somebody who has the address
    expect(page.locator("#note")).to_have_text("These pictures were deleted; choose them again.")
    expect(page.locator("upscaling-desk")).to_have_attribute("data-mode", "empty")


def test_a_lost_comparison_is_asked_for_again_and_a_late_one_not_spoken_of(page: Page) -> None:
    compared(page, "#greeting")
    held: list[Route] = []
    page.route(COMPARISON, lambda route: route.abort("connectionreset"), times=1)
    with page.expect_event("requestfailed"):
        page.locator("[data-sample]").first.click()
    expect(page.locator("#stage .before")).to_be_visible()
    compared(page)
    assert page.locator("#refusals li").count() == 0
    page.route(COMPARISON, lambda route: held.append(route))
    page.go_back()
    with page.expect_request(COMPARISON):
        page.go_forward()
    page.get_by_role("button", name="Delete now").click()
    expect(page.locator("#note")).to_have_text("Your pictures are deleted.")
    for route in held:
        route.fulfill(status=422, json={"detail": "this picture cannot be shown here; download it instead"})
    page.wait_for_timeout(100)
    assert page.locator("#refusals li").count() == 0


def test_without_network_the_reason_is_said_beside_others(page: Page, small: Path) -> None:
    page.context.set_offline(True)
    choose(page, small)
    offline = "The server cannot be reached; check the connection and try again."
    expect(page.locator("#refusals li")).to_have_text([offline])
    page.context.set_offline(False)
    large = small.with_name("large.png")
    large.write_bytes(bytes(3 * 1024**2))
    refusal = re.compile("^large.png has 3.1 MB; the limit is 2 MB.")
    page.route(COMPARISON, lambda route: route.fulfill(status=422, json={"detail": "it cannot be shown here"}))
    choose(page, small, large)
    expect(page.locator("#refusals li")).to_have_text([refusal, "It cannot be shown here."])
    page.context.set_offline(True)
    page.get_by_role("button", name="Delete now").click()
    expect(page.locator("#refusals li")).to_have_text([refusal, "It cannot be shown here.", offline])


def test_an_upload_is_tried_again_for_as_long_as_the_page_is_open(page: Page, small: Path) -> None:
    tried: list[int] = []

    def refuse(route: Route) -> None:
        status = (0, 429, 503)[len(tried) % 3]
        tried.append(status)
        route.fulfill(status=status, json={"detail": "not now"}) if status else route.abort("connectionreset")

    page.clock.install()
    page.route(UPLOADS, refuse)
    choose(page, small)
    while len(tried) < 9:
        page.wait_for_timeout(50)
        page.clock.fast_forward(32_000)
        assert page.locator("#refusals li").count() == 0
    expect(page.locator("#left")).to_have_text(re.compile(r"^(Not now|The connection is gone)\. Trying again…$"))
    page.unroute_all(behavior="ignoreErrors")
    while not page.locator("#download").is_visible():
        page.wait_for_timeout(50)
        page.clock.fast_forward(32_000)
    expect(page.locator("#download")).to_have_text("Download small_2x.png")
    assert [picture["state"] for picture in state(page)["pictures"]] == ["done"]


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (408, "small.png is left out: Too slow."),
        (500, "small.png is left out: This did not work; try again in a minute."),
        (None, "small.png cannot be read any more; choose it again."),
    ],
)
def test_a_file_that_cannot_be_uploaded_is_left_out_and_the_others_go_on(
    page: Page, small: Path, status: int | None, sentence: str
) -> None:
    other = small.with_name("other.png")
    other.write_bytes(small.read_bytes())
    tried: list[str] = []

    def fail(route: Route) -> None:
        tried.append(route.request.url)
        if status is None:
            route.abort("failed")
        else:
            route.fulfill(status=status, body='{"detail": "too slow"}' if status == 408 else "<html>")

    if status is None:  # as if the file had changed since it was chosen
        page.evaluate("void (Blob.prototype.arrayBuffer = () => Promise.reject(new Error()))")
    page.clock.install()
    page.route("**/work/*?name=small.png*", fail)
    choose(page, small, other)
    while not page.locator("#download").is_visible():
        page.wait_for_timeout(50)
        page.clock.fast_forward(32_000)
    assert len(tried) == (7 if status else 1)
    expect(page.locator("#refusals li")).to_have_text(sentence)


def test_an_upload_is_repeated_under_its_key_and_not_after_cancel(page: Page, small: Path) -> None:
    other = small.with_name("other.png")
    other.write_bytes(small.read_bytes())
    sent: list[tuple[str, str]] = []

    def lose_the_first_answer(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        sent.append((query["name"][0], query["key"][0]))
        if len(sent) == 1:
            route.fetch()
        if len(sent) == 2:
            route.fulfill(status=201, json={"number": 0})
        else:
            route.abort("connectionreset")

    page.route(UPLOADS, lose_the_first_answer)
    with page.expect_event("requestfailed", lambda request: "other.png" in request.url):
        choose(page, small, other)
    assert len(state(page)["pictures"]) == 1
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_timeout(1200)
    (name, key), again, (last, last_key) = sent
    assert ((name, key), last) == (again, "other.png")
    assert last_key != key
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in (key, last_key))


def test_a_browser_that_blocks_storage_remembers_nothing_and_works(page: Page, small: Path) -> None:
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('denied'); } })"
    )
    page.reload()
    set_options(page, "Remove the location")
    page.get_by_role("button", name="Reset").click()
    upscale(page, small)
    page.get_by_role("button", name="Delete now").click()
    expect(page.locator("#note")).to_have_text("Your pictures are deleted.")


def test_a_result_that_is_looked_at_is_visited_and_its_deletion_told(page: Page, small: Path) -> None:
    asked: list[str] = []
    page.clock.install()
    upscale(page, small)
    address = f"{page.url.partition('#')[0]}work/{id_of(page)}"
    page.on("request", lambda request: asked.append(request.url))

    def become(hidden: bool) -> None:
        page.evaluate(f"Object.defineProperty(document, 'hidden', {{ value: {str(hidden).lower()}, writable: true }})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    while asked.count(address) < 2:
        page.clock.fast_forward(300_000)
        page.wait_for_timeout(50)
    become(hidden=True)
    asked.clear()
    page.clock.fast_forward(3_000_000)
    assert address not in asked
    requests.delete(address, timeout=60).raise_for_status()
    become(hidden=False)
    expect(page.locator("#note")).to_have_text("These pictures were deleted; choose them again.")


def test_leaving_while_uploading_warns_and_later_does_not(page: Page, small: Path) -> None:
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.route(UPLOADS, lambda _: None)  # never answered
    page.locator("header").click()  # browsers warn only those who have used the page
    with page.expect_request(lambda request: request.method == "PUT"):
        choose(page, small)
    page.close(run_before_unload=True)
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#note")).to_contain_text("Cancelled")
    page.unroute_all(behavior="ignoreErrors")
    upscale(page, small)
    page.reload()
    finished(page)
    assert asked == ["beforeunload"]


def test_uploads_go_on_while_another_address_is_shown(page: Page, tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.png" for name in ("one", "two", "three", "alone", "again")]
    for n, file in enumerate(files):
        Image.fromarray(photo_like(40 + n, 60)).save(file)
    held: list[Route] = []
    page.route("**/work/*?name=two*", lambda route: held.append(route))
    page.route("**/work/*?name=a*", lambda route: held.append(route))
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.locator("header").click()  # browsers warn only those who have used the page

    def give(*given: Path) -> None:
        with page.expect_request(re.compile(r"name=[ta]")):
            choose(page, *given)

    give(*files[:3])
    expect(page.locator("#cards li[data-state=uploading]")).to_have_count(2)
    first = page.url
    page.go_back()
    expect(page.locator("upscaling-desk")).to_have_attribute("data-mode", "empty")
    page.close(run_before_unload=True)
    page.wait_for_timeout(500)
    assert asked == ["beforeunload"]
    give(files[3])
    page.go_back()
    give(files[4])
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#note")).to_contain_text("Cancelled")
    held[0].fulfill(status=400, json={"detail": "two.png is left out"})
    page.goto(first)
    finished(page)
    expect(page.locator("#cards .name")).to_have_text(["one.png", "three.png"])
    expect(page.locator("#refusals li")).to_have_text(["Two.png is left out."])


def test_what_a_server_lost_while_another_address_was_shown_is_uploaded_again(page: Page, small: Path) -> None:
    page.route(UPLOADS, lambda route: route.abort("connectionreset"))
    with page.expect_event("requestfailed"):
        choose(page, small)
    work = page.url
    page.go_back()
    requests.delete(work.replace("#", "work/"), timeout=60).raise_for_status()  # as a restart does
    with page.expect_response(UPLOADS, timeout=90_000) as refused:
        page.unroute_all(behavior="ignoreErrors")
    assert refused.value.status == 404
    page.go_forward()
    expect(page.locator("#download")).to_have_text("Download small_2x.png")
    expect(page.locator("#refusals li")).to_contain_text("The server no longer has these pictures")
    assert page.url != work


@pytest.mark.parametrize("address", ["../health", "..", "a/b", "?x", "0"])
def test_an_address_that_no_work_can_have_is_one_of_deleted_work(page: Page, address: str) -> None:
    start = page.url
    with page.expect_request("**/work/0"):
        page.goto(f"{start}#{address}")
    expect(page.locator("#note")).to_have_text("These pictures were deleted; choose them again.")
    expect(page.locator("upscaling-desk")).to_have_attribute("data-mode", "empty")
    assert page.url == start


def test_another_tab_waits_for_pictures_that_are_still_uploaded(page: Page, small: Path) -> None:
    upscale(page, small)
    arriving = [True]

    def answer(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"arriving": arriving[0]})

    other = page.context.new_page()
    other.route(f"**/work/{id_of(page)}", answer)
    other.goto(page.url)
    expect(other.locator("#left")).to_have_text("1 done; more pictures are being uploaded…")
    expect(other.locator("upscaling-desk")).to_have_attribute("data-mode", "working")
    arriving[0] = False
    expect(other.locator("#download")).to_have_text("Download small_2x.png")


def test_two_tabs_do_not_mix(page: Page, tmp_path: Path) -> None:
    other = page.context.new_page()
    other.goto(page.url)
    for n, tab in enumerate((page, other)):
        photo = tmp_path / f"of_{n}.png"
        Image.fromarray(photo_like(40 + n, 60)).save(photo)
        choose(tab, photo)
    for n, tab in enumerate((page, other)):
        expect(tab.locator("#download")).to_have_text(f"Download of_{n}_2x.png")
    assert id_of(page) != id_of(other)
