"""Files that are refused, in a browser: each gets a sentence in the page, and the next one can be given at once."""

import json
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Browser, FilePayload, Page, Response, Route, expect

from support.desk import choose, finished, id_of, opened, upscale
from support.pictures import photo_like

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_each_refusal_is_a_sentence_and_the_page_stays_alive(chromium: Browser, ui: str, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    Image.fromarray(photo_like(90, 130)).save(photo)
    content = photo.read_bytes()
    with opened(chromium, ui) as page:
        for name, bytes_, sentence in (
            ("notes.txt", b"words, not pixels", "notes.txt is not a readable picture"),
            ("empty.jpg", b"", "empty.jpg is not a readable picture"),
            ("cut.jpg", content[:-900], "cut.jpg is broken (image file is truncated); download or export it again."),
            ("fake.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "fake.heic"),
        ):
            file = tmp_path / name
            file.write_bytes(bytes_)
            choose(page, file)
            refusal = page.locator("#refusals li")
            expect(refusal).to_contain_text(sentence)
            assert "/" not in refusal.inner_text()
            expect(page.locator("#download")).to_be_hidden()
            expect(page.get_by_role("button", name="Choose photos")).to_be_visible()
        upscale(page, photo)
        expect(page.locator("#refusals li")).to_have_count(0)
        expect(page.locator("#download")).to_have_text("Download photo_2x.jpg")


def test_work_without_a_result_says_so_and_can_be_deleted(chromium: Browser, ui: str, tmp_path: Path) -> None:
    words = tmp_path / "notes.txt"
    words.write_text("words, not pixels")
    with opened(chromium, ui) as page:

        def is_deleted() -> bool:
            page.get_by_role("button", name="Delete now").click()
            expect(page.locator("#note")).to_have_text("Your pictures are deleted.")
            expect(page.locator("#bar")).to_be_hidden()
            return requests.get(address, timeout=60).status_code == 404

        choose(page, words)
        expect(page.locator("#left")).to_have_text("This picture could not be upscaled.")
        address = f"{ui}/work/{id_of(page)}"
        page.go_back()
        page.get_by_role("link", name="Back to your last photos").click()
        expect(page.locator("#refusals li")).to_contain_text("notes.txt is not a readable picture")
        expect(page.locator("#left")).to_have_text("This picture could not be upscaled.")
        assert is_deleted()
        for sample, sentence in (
            ("", "No picture has arrived here; choose your photos again."),
            ("butterfly", "This work was cancelled; choose your photos again."),
        ):
            choices = {"model": "model", "flips": True, "four_times": True}
            created = requests.post(f"{ui}/work", json={"choices": choices, "sample": sample}, timeout=60)
            address = f"{ui}/work/{created.json()['id']}"
            requests.post(f"{address}/cancel", timeout=60)
            page.goto(f"{ui}#{created.json()['id']}")
            expect(page.locator("#left")).to_have_text(sentence)
            assert is_deleted()


def test_a_file_over_the_limit_is_refused_before_its_upload(chromium: Browser, ui: str, tmp_path: Path) -> None:
    large, photo = tmp_path / "large.png", tmp_path / "photo.png"
    large.write_bytes(bytes(3 * 1024**2))
    Image.fromarray(photo_like(90, 130)).save(photo)
    with opened(chromium, ui) as page:
        sent: list[str] = []
        page.on("request", lambda request: sent.append(request.method))
        choose(page, large)
        expect(page.locator("#refusals li")).to_have_text(
            "large.png has 3.1 MB; the limit is 2 MB. Save it smaller, or at a lower quality."
        )
        assert not {"POST", "PUT"} & set(sent)
        choose(page, large, photo)
        expect(page.locator("#download")).to_have_text("Download photo_2x.png")
        expect(page.locator("#refusals li")).to_have_count(1)


def test_a_second_start_takes_the_place_of_the_first(page: Page) -> None:
    starts: list[Response] = []
    page.on("response", lambda response: starts.append(response) if response.url.endswith("/work") else None)
    page.locator("[data-sample]").first.dblclick()
    finished(page)
    first, second = starts
    assert id_of(page) == second.json()["id"]
    assert json.loads(second.request.post_data or "")["instead_of"] == first.json()["id"]
    page.get_by_role("button", name="Delete now").click()
    refused = {"status": 503, "json": {"detail": "this server is being replaced"}}
    answers = iter([Route.continue_, lambda route: route.fulfill(**refused)])
    page.route("**/work", lambda route: next(answers)(route))
    page.locator("[data-sample]").first.dblclick()
    expect(page.locator("#refusals li")).to_have_text("This server is being replaced.")
    finished(page)


@pytest.mark.parametrize("name", ["x" * 296 + ".png", "<b>bold</b> & 写真 🦋.png"])
def test_a_strange_name_is_accepted(chromium: Browser, ui: str, tmp_path: Path, name: str) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(photo_like(40, 60)).save(photo)
    with opened(chromium, ui) as page:
        file = FilePayload(name=name, mimeType="image/png", buffer=photo.read_bytes())
        page.locator("#files").set_input_files(file)
        expect(page.locator("#download")).to_contain_text("_2x.png")
        assert page.locator("upscaling-desk b").count() == 0
