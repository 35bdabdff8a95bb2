"""Several pictures in a browser: given in each way, refused one by one, compared, downloaded and cancelled."""

import io
import re
import zipfile
from pathlib import Path

import pytest
import requests
from PIL import Image
from playwright.sync_api import Page, expect

from support.desk import (
    TAKES_LONG,
    choose,
    compared,
    downloaded,
    drop,
    finished,
    id_of,
    set_options,
    state,
    upscale,
)
from support.pictures import photo_like

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# As browsers give a folder: entries in several portions, with a folder inside, and a file of the system.
DROP_OF_A_FOLDER = """([a, b, c]) => {
    const file = (name, bytes) => ({ isFile: true, file: (done) => done(new File([new Uint8Array(bytes)], name)) });
    const vanished = { isFile: true, name: "d.png", file: (_, fail) => fail(new Error()) };
    const folder = (...portions) => ({
        isDirectory: true,
        createReader: () => ({ readEntries: (done) => done(portions.shift() ?? []) }),
    });
    const inner = folder([file("b.png", b)]);
    const [hidden, sidecar] = [file(".DS_Store", [0]), file("a.xmp", [0])];
    const dropped = folder([file("a.png", a), hidden, sidecar], [vanished, inner, file("c.png", c)]);
    const event = new Event("drop", { bubbles: true, cancelable: true });
    event.dataTransfer = { files: [], items: [{ webkitGetAsEntry: () => dropped }] };
    document.body.dispatchEvent(event);
}"""


def photos(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for n, name in enumerate(names):
        Image.fromarray(photo_like(40 + n, 60, seed=n)).save(folder / name)
    return [folder / name for name in names]


def test_of_ten_files_with_one_bad_nine_are_done(page: Page, tmp_path: Path) -> None:
    files = photos(tmp_path, *(f"{n}.png" for n in range(8)), "same.png")
    files += photos(tmp_path / "folder", "same.png")
    files[4].write_text("words, not pixels")
    upscale(page, *files)
    expect(page.locator("#cards li")).to_have_count(10)
    expect(page.locator("#cards li[data-state=done]")).to_have_count(9)
    expect(page.locator("#refusals li")).to_have_text(
        [re.compile("^4.png is not a readable picture; give a JPEG, PNG, .*[.]$")]
    )
    expect(page.locator("#left")).to_contain_text("9 of 10 pictures are done")
    expect(page.locator("#download")).to_have_text("Download all 9 as a zip")
    with zipfile.ZipFile(downloaded(page).path()) as archive:
        assert len(archive.namelist()) == 9
        assert {"0_2x.png", "same_2x.png", "same_2x (2).png"} < set(archive.namelist())
        assert Image.open(io.BytesIO(archive.read("7_2x.png"))).size == (120, 94)
    seventh = page.locator("#cards li").nth(7)
    seventh.get_by_role("button").click()
    expect(page.locator("#sentence")).to_contain_text("7_2x.png: Now 120 × 94 pixels")
    compared(page)
    expect(page.locator("#stage photo-comparison")).to_have_attribute(
        "data-address", f"work/{id_of(page)}/7/comparison"
    )
    with page.expect_download() as download:
        seventh.get_by_role("link").click()
    assert download.value.suggested_filename == "7_2x.png"


def test_of_three_with_the_first_broken_a_finished_one_is_shown(page: Page, tmp_path: Path) -> None:
    broken, *others = photos(tmp_path, "broken.png", "good.png", "other.png")
    broken.write_bytes(broken.read_bytes()[:100])
    upscale(page, broken, *others)
    expect(page.locator("#refusals li")).to_have_count(1)
    compared(page)
    expect(page.locator("#sentence")).to_contain_text("good_2x.png: Now 120 × 82 pixels")
    expect(page.locator("#cards [aria-pressed=true] .name")).to_have_text("good.png")
    page.locator("#cards").get_by_role("button", name="other.png").click()
    expect(page.locator("#sentence")).to_contain_text("other_2x.png")
    expect(page.locator("#cards [aria-pressed=true] .name")).to_have_text("other.png")


def test_finished_ones_are_usable_at_once_and_survive_cancel(page: Page, tmp_path: Path, large: Path) -> None:
    set_options(page, *TAKES_LONG)
    choose(page, *photos(tmp_path, "first.png", "second.png"), large)
    expect(page.locator("#cards li[data-state=done]")).to_have_count(2)
    expect(page.locator("#cards li").nth(2).locator(".state")).to_contain_text("%")
    compared(page)
    expect(page.locator("#download")).to_have_text("Download the 2 as a zip")
    expect(page.locator("#left")).to_contain_text("2 of 3 done")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download second_4x.png").click()
    assert download.value.suggested_filename == "second_4x.png"
    page.context.set_offline(True)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#refusals li")).to_contain_text("The server cannot be reached")
    page.context.set_offline(False)
    page.get_by_role("button", name="Cancel").click()
    finished(page)
    expect(page.locator("#refusals li")).to_have_count(0)
    expect(page.locator("#cards .state")).to_contain_text(["240 × 16", "240 × 16", "cancelled"])
    with zipfile.ZipFile(downloaded(page).path()) as archive:
        assert sorted(archive.namelist()) == ["first_4x.png", "second_4x.png"]


def test_photos_that_come_while_others_are_in_work_join_them(page: Page, tmp_path: Path, large: Path) -> None:
    (first, second, third) = photos(tmp_path, "first.png", "second.png", "third.png")
    begun: list[str] = []
    page.on("request", lambda request: begun.append(request.url) if request.url.endswith("/work") else None)
    upscale(page, first)
    set_options(page, *TAKES_LONG)
    before = page.url
    choose(page, large)
    choose(page, second)  # the batch may not be there yet
    expect(page.locator("#cards .name")).to_have_text(["large.jpg", "second.png"])
    address = page.url
    page.reload()
    expect(page.locator("#cards li[data-state=working]")).to_have_count(1)
    assert drop(page, [third])
    expect(page.locator("#cards .name")).to_have_text(["large.jpg", "second.png", "third.png"])
    expect(page.locator("#cards li[data-state=waiting]")).to_have_count(2)
    assert page.url == address != before
    assert len(begun) == 2
    assert [picture["name"] for picture in state(page)["pictures"]] == ["large.jpg", "second.png", "third.png"]


def test_cancelling_the_only_picture_frees_the_page_for_the_next(page: Page, tmp_path: Path, large: Path) -> None:
    set_options(page, *TAKES_LONG)
    choose(page, large)
    expect(page.locator("#stage .before")).to_be_visible()
    address = f"{page.url.partition('#')[0]}work/{id_of(page)}"
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#note")).to_contain_text("Cancelled. Nothing is kept of it.")
    assert requests.get(address, timeout=60).status_code == 404
    assert page.evaluate("localStorage.getItem('double-resolution last work')") is None
    set_options(page, *TAKES_LONG, checked=False)
    upscale(page, *photos(tmp_path, "next.png"))
    expect(page.locator("#download")).to_have_text("Download next_2x.png")


def test_files_are_dropped_anywhere_pasted_and_taken_from_a_folder(page: Page, tmp_path: Path) -> None:
    (dropped,) = photos(tmp_path, "dropped.png")
    start = page.url
    for target in ("body", "#trust", "header"):
        page.goto(start)
        page.get_by_role("button", name="Choose photos").wait_for()
        assert drop(page, [dropped], target)  # otherwise the browser opens the photo
        expect(page.locator("#download")).to_have_text("Download dropped_2x.png")
    assert drop(page, photos(tmp_path, "replaced.png"), "#stage")
    expect(page.locator("#download")).to_have_text("Download replaced_2x.png")
    paste(page, dropped)
    expect(page.locator("#download")).to_have_text("Download dropped_2x.png")
    folder = tmp_path / "holiday"
    photos(folder, "one.png", "TWO.PNG", ".hidden.png")
    for name in ("one.xmp", "two.xmp"):
        (folder / name).write_text("<x:xmpmeta/>")
    page.locator("#folder").set_input_files(folder)
    expect(page.locator("#download")).to_have_text("Download all 2 as a zip")
    expect(page.locator("#refusals li")).to_have_text("2 files of other kinds were passed over.")
    for name in ("one.png", "TWO.PNG", "two.xmp"):
        (folder / name).unlink()
    page.locator("#folder").set_input_files(folder)
    expect(page.locator("#refusals li")).to_have_text(
        ["There is no picture in this folder; choose another one.", "1 file of another kind was passed over."]
    )


def paste(page: Page, file: Path) -> None:
    page.evaluate(
        """(bytes) => {
            const clipboardData = new DataTransfer();
            clipboardData.items.add(new File([new Uint8Array(bytes)], "dropped.png"));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
        }""",
        list(file.read_bytes()),
    )


def test_a_dropped_folder_is_read_to_its_depth(page: Page, tmp_path: Path) -> None:
    contents = [list(file.read_bytes()) for file in photos(tmp_path, *(f"{n}.png" for n in range(3)))]
    page.evaluate(DROP_OF_A_FOLDER, contents)
    finished(page)
    assert {picture["name"]: picture["state"] for picture in state(page)["pictures"]} == dict.fromkeys(
        ("a.png", "b.png", "c.png"), "done"
    )
    expect(page.locator("#cards li")).to_have_count(3)
    expect(page.locator("#refusals li")).to_have_text(
        ["d.png cannot be read; choose it again.", "1 file of another kind was passed over."]
    )


def test_more_than_fifty_are_said_before_the_upload(page: Page, tmp_path: Path) -> None:
    files = photos(tmp_path, *(f"{n}.png" for n in range(52)))
    choose(page, *files)
    expect(page.locator("#refusals li")).to_have_text(
        "The first 50 of 52 pictures are taken; give the others afterwards."
    )
    choose(page, files[-1])
    expect(page.locator("#refusals li")).to_have_text("There are 50 pictures already; give the others afterwards.")
    page.get_by_role("button", name="Cancel").click()
