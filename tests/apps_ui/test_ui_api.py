"""The page's own interface, without a server or a worker: repeated uploads, replaced and cancelled batches."""

import io
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from apps.serving.job_limits import JobLimits
from apps.serving.refusal import RequestRefusedError
from apps.serving.temporary import content_of, keep
from apps.serving.worker import Worker
from apps.ui import archive
from apps.ui.api import Api
from apps.ui.app import GREETING, SAMPLES
from apps.ui.batch import COMPARISON, PARTIAL, THUMBNAIL, Batch, State
from apps.ui.batches import Batches
from apps.ui.choices import Choices
from apps.ui.comparisons import Comparisons
from apps.ui.runner import Runner
from apps.ui.uploading import received
from support.batches import registry

CHOICES = {"model": "fast"}
CANCELLED = "these pictures were cancelled; choose them again"


@pytest.fixture
def batches(tmp_path: Path) -> Batches:
    return registry(tmp_path, jobs_each=1)


@pytest.fixture
def samples(tmp_path: Path) -> dict[str, Path]:
    """Copies of the samples."""
    copies = tmp_path / "samples"
    shutil.copytree(SAMPLES[GREETING].parent, copies)
    return {name: copies / path.name for name, path in SAMPLES.items()}


@pytest.fixture
def client(batches: Batches, samples: dict[str, Path]) -> Iterator[TestClient]:
    """Client of the interface, behind which nothing is upscaled."""
    idle = Worker("no.program", {}, JobLimits(memory=1, cpu_seconds=1, seconds=1))
    api = Api(batches, Runner(idle, batches, lambda _: None), Comparisons(idle), {"fast"}, samples)
    routes = [route for route, _ in api.routes()]
    refused = {RequestRefusedError: lambda _, refusal: refusal.response}
    with TestClient(Starlette(routes=routes, exception_handlers=refused)) as client:
        yield client


def created(client: TestClient, path: str = "/work", **request: Any) -> str:
    answer = client.post(path, json={"choices": CHOICES} | request)
    assert answer.status_code == 201, answer.text
    id: str = answer.json()["id"]
    return id


def uploaded(client: TestClient, id: str, name: str = "a.png", key: str = "") -> int:
    answer = client.put(f"/work/{id}", params={"name": name, "key": key}, content=b"pixels")
    assert answer.status_code == 201, answer.text
    number: int = answer.json()["number"]
    return number


def files(batch: Batch) -> set[str]:
    return {path.name for path in batch.folder.rglob("*") if path.is_file()}


def write_results(batch: Batch, *states: State) -> None:
    """End pictures as if they were upscaled, with the files that this leaves."""
    for number, (picture, state) in enumerate(zip(batch.pictures, states, strict=True)):
        for name in (THUMBNAIL, PARTIAL):
            (picture.folder / name).write_text(str(number))
        picture.state = state
        if state is State.DONE:
            picture.target.write_text("result")


def test_a_repeated_upload_is_the_first_one(client: TestClient, batches: Batches) -> None:
    id = created(client)
    assert [uploaded(client, id, key=key) for key in ("x", "y", "x", "", "", "y")] == [0, 1, 0, 2, 3, 1]
    batch = batches.find(id)
    assert len(batch.pictures) == len(list(batch.folder.glob("upload_*"))) == 4


def test_a_repeat_that_arrives_during_the_first_upload_leaves_no_file(
    client: TestClient, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = created(client)

    async def receive_twice(*arguments: Any) -> Path:
        batches.add(batches.find(id), Path("first.png"), "x")
        return await received(*arguments)

    monkeypatch.setattr("apps.ui.api.received", receive_twice)
    assert uploaded(client, id, key="x") == 0
    assert not list(batches.find(id).folder.glob("upload_*"))


def test_a_long_key_is_refused(client: TestClient) -> None:
    id = created(client)
    assert uploaded(client, id, key="k" * 64) == 0
    answer = client.put(f"/work/{id}", params={"name": "a.png", "key": "k" * 65}, content=b"pixels")
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "the key is longer than 64 characters; reload the page",
    )


def test_an_upload_after_cancelling_is_refused(client: TestClient) -> None:
    id = created(client)
    client.post(f"/work/{id}/cancel").raise_for_status()
    answer = client.put(f"/work/{id}", params={"name": "a.png"}, content=b"pixels")
    assert (answer.status_code, answer.json()["detail"]) == (409, CANCELLED)


def test_no_other_batch_takes_the_place_of_one_during_its_upload(
    client: TestClient, batches: Batches, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = created(client)
    uploaded(client, id)
    answers = []

    async def finish_and_receive(*arguments: Any) -> Path:
        write_results(batches.find(id), State.DONE)
        with pytest.raises(RequestRefusedError, match="you have a job running or waiting"):
            batches.create("testclient", Choices(model="fast"))
        answers.append("refused")
        return await received(*arguments)

    monkeypatch.setattr("apps.ui.api.received", finish_and_receive)
    assert uploaded(client, id) == 1
    assert answers == ["refused"]


@pytest.mark.parametrize("end", ["cancel", "delete"])
def test_an_upload_during_which_its_batch_ends_leaves_no_file(
    client: TestClient, batches: Batches, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    id = created(client)
    batch = batches.find(id)

    async def end_and_receive(*arguments: Any) -> Path:
        getattr(batches, end)(batch)
        return await received(*arguments)

    monkeypatch.setattr("apps.ui.api.received", end_and_receive)
    assert client.put(f"/work/{id}", content=b"pixels").status_code == {"cancel": 409, "delete": 404}[end]
    assert not files(batch) and not batch.pictures


def test_cancelling_deletes_all_files_if_nothing_is_done(client: TestClient, batches: Batches) -> None:
    id = created(client)
    for _ in range(3):
        uploaded(client, id)
    batch = batches.find(id)
    write_results(batch, State.FAILED, State.WORKING, State.WAITING)
    state = client.post(f"/work/{id}/cancel").json()
    assert [(one["state"], one["thumbnail"]) for one in state["pictures"]] == [
        ("failed", ""),
        ("cancelled", ""),
        ("cancelled", ""),
    ]
    assert not files(batch)


def test_cancelling_keeps_results_with_their_originals_and_the_thumbnails_beside_them(
    client: TestClient, batches: Batches
) -> None:
    id = created(client)
    for name in ("done.png", "waiting.png"):
        uploaded(client, id, name)
    batch = batches.find(id)
    write_results(batch, State.DONE, State.WAITING)
    state = client.post(f"/work/{id}/cancel").json()
    assert all(one["thumbnail"] for one in state["pictures"])
    assert files(batch) == {"done.png", "done_2x.png", PARTIAL, THUMBNAIL}
    assert not (batch.pictures[1].folder / PARTIAL).exists()


def test_cancelling_deletes_neither_samples_nor_the_files_of_another_batch(
    client: TestClient, batches: Batches, samples: dict[str, Path]
) -> None:
    sample = created(client, sample=GREETING)
    client.post(f"/work/{sample}/cancel").raise_for_status()
    assert samples[GREETING].exists()
    first = created(client)
    uploaded(client, first)
    again = batches.find(created(client, f"/work/{first}/again", instead_of=first))
    assert files(again) == {"a.png"}
    assert not files(batches.find(first))


def test_only_results_are_upscaled_again_after_cancelling(client: TestClient, batches: Batches) -> None:
    id = created(client)
    for name in ("done.png", "waiting.png"):
        uploaded(client, id, name)
    write_results(batches.find(id), State.DONE, State.WAITING)
    client.post(f"/work/{id}/cancel").raise_for_status()
    again = batches.find(created(client, f"/work/{id}/again"))
    assert [picture.source.name for picture in again.pictures] == ["done.png"]
    client.post(f"/work/{again.id}/cancel").raise_for_status()
    answer = client.post(f"/work/{again.id}/again", json={"choices": CHOICES})
    assert (answer.status_code, answer.json()["detail"]) == (404, "these pictures were deleted; choose them again")


def test_a_batch_takes_the_place_of_another_at_the_limit(client: TestClient, batches: Batches) -> None:
    first = created(client)
    uploaded(client, first)
    assert client.post("/work", json={"choices": CHOICES}).status_code == 429
    second = created(client, instead_of=first)
    assert [picture.state for picture in batches.find(first).pictures] == [State.CANCELLED]
    uploaded(client, second)
    third = created(client, f"/work/{second}/again", instead_of=second)
    assert not batches.find(second).is_pending
    assert batches.find(third).is_pending


@pytest.mark.parametrize("refused", ["a choice", "a sample", "a deleted file", "the limit"])
def test_a_refused_batch_replaces_none(client: TestClient, batches: Batches, refused: str) -> None:
    pending = created(client)
    other = created(client)
    uploaded(client, pending)
    path, request = "/work", {"choices": CHOICES, "instead_of": pending, "sample": ""}
    if refused == "a choice":
        request["choices"] = {"model": "another"}
    elif refused == "a sample":
        request["sample"] = "another"
    elif refused == "a deleted file":
        batches.find(pending).pictures[0].source.unlink()
        path = f"/work/{pending}/again"
    else:
        request["instead_of"] = other
    folders = set(batches.folder.iterdir())
    assert client.post(path, json=request).status_code in (400, 404, 429)
    assert batches.find(pending).is_pending
    assert not batches.find(other).is_cancelled
    assert set(batches.folder.iterdir()) == folders


def test_an_unknown_batch_and_the_greeting_are_not_replaced(client: TestClient, batches: Batches) -> None:
    greeting = batches.greet(Choices(model="fast"), SAMPLES[GREETING])
    for id in ("0" * 32, greeting.id):
        created(client, instead_of=id)
    assert greeting.is_pending and not greeting.is_cancelled


def test_the_zip_is_sent_with_its_length_and_takes_no_disk_space(client: TestClient, batches: Batches) -> None:
    id = created(client)
    for name in ("a.png", "a.png", "b.png"):
        uploaded(client, id, name)
    batch = batches.find(id)
    write_results(batch, State.DONE, State.DONE, State.FAILED)
    before = files(batch)
    head = client.head(f"/work/{id}/all.zip")
    assert not any(picture.is_fetched for picture in batch.pictures)
    answer = client.get(f"/work/{id}/all.zip")
    assert head.headers["content-length"] == answer.headers["content-length"] == str(len(answer.content))
    assert 'filename="upscaled.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        assert opened.namelist() == ["a_2x.png", "a_2x (2).png"]
    assert [picture.is_fetched for picture in batch.pictures] == [True, True, False]
    assert files(batch) == before
    assert list(batches.folder.iterdir()) == [batch.folder]


def test_deleting_does_not_cut_a_zip_that_is_being_sent(client: TestClient, batches: Batches) -> None:
    id = created(client)
    for name in ("a.png", "b.png"):
        uploaded(client, id, name)
    batch = batches.find(id)
    write_results(batch, State.DONE, State.DONE)
    read, reading = archive.parts, list[Path]()

    def delete_and_read(path: Path) -> Iterator[bytes]:
        if path.is_file():  # not the one that stands for all in the length
            reading.append(path)
            batches.delete(batch)
        return read(path)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(archive, "parts", delete_and_read)
        answer = client.get(f"/work/{id}/all.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        assert opened.testzip() is None and opened.namelist() == ["a_2x.png", "b_2x.png"]
    assert len(reading) == 2
    assert not list(batches.folder.iterdir())


@pytest.mark.parametrize(
    ("method", "headers", "is_fetched"),
    [("HEAD", {}, False), ("GET", {"Range": "bytes=0-0"}, False), ("GET", {}, True)],
)
def test_a_result_is_noted_as_fetched_if_all_of_it_was(
    client: TestClient, batches: Batches, method: str, headers: dict[str, str], is_fetched: bool
) -> None:
    id = created(client)
    uploaded(client, id)
    (picture,) = batches.find(id).pictures
    write_results(batches.find(id), State.DONE)
    answer = client.request(method, f"/work/{id}/0/result", headers=headers)
    size = picture.target.stat().st_size
    assert answer.headers["content-length"] == str(1 if headers else size)
    assert answer.headers["accept-ranges"] == "bytes"
    assert 'filename="a_2x.png"' in answer.headers["content-disposition"]
    assert len(answer.content) == {"HEAD": 0, "GET": 1 if headers else size}[method]
    assert picture.is_fetched is is_fetched


def test_names_in_the_zip_differ_on_every_disk(client: TestClient, batches: Batches) -> None:
    id = created(client)
    for name in ("A.PNG", "a.png", "é.png", "e\u0301.png", "a (2).png"):
        uploaded(client, id, name)
    write_results(batches.find(id), *[State.DONE] * 5)
    names = [name for _, name in batches.find(id).downloads()]
    assert names == ["A_2x.PNG", "a_2x (2).png", "é_2x.png", "e\u0301_2x (2).png", "a (2)_2x.png"]


def test_a_download_is_resumed_after_the_page_has_looked(client: TestClient, batches: Batches) -> None:
    id = created(client)
    uploaded(client, id)
    write_results(batches.find(id), State.DONE)
    (picture,) = batches.find(id).pictures
    begun = client.get(f"/work/{id}/0/result", headers={"Range": "bytes=0-1"})
    os.utime(picture.target, (0, 0))
    rest = {"Range": "bytes=2-", "If-Range": begun.headers["etag"]}
    answer = client.get(f"/work/{id}/0/result", headers=rest)
    assert (answer.status_code, begun.content + answer.content) == (206, b"result")


def test_a_browser_asks_for_each_file_again_so_that_deleted_ones_are_gone(client: TestClient, batches: Batches) -> None:
    id = created(client)
    uploaded(client, id)
    (picture,) = batches.find(id).pictures
    write_results(batches.find(id), State.DONE)
    tile = picture.folder / COMPARISON / "original/0/0_0.jpg"
    tile.parent.mkdir(parents=True)
    tile.write_text("tile")
    addresses = [f"/work/{id}/0/{name}" for name in (THUMBNAIL, PARTIAL, f"{COMPARISON}/original/0/0_0.jpg")]
    tags = {address: client.get(address).headers["etag"] for address in addresses}
    keep(content_of(batches.find(id).folder))
    for address, tag in tags.items():
        answer = client.get(address, headers={"If-None-Match": tag})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["cache-control"] == "private, no-cache"
        assert client.get(address, headers={"If-None-Match": '"another"'}).status_code == 200
    assert client.get(f"/work/{id}/0/result").headers["cache-control"] == "no-store"
    client.delete(f"/work/{id}").raise_for_status()
    for address, tag in tags.items():
        assert client.get(address, headers={"If-None-Match": tag}).status_code == 404


def test_the_zip_of_deleted_results_is_refused(client: TestClient, batches: Batches) -> None:
    id = created(client)
    uploaded(client, id)
    write_results(batches.find(id), State.DONE)
    batches.find(id).pictures[0].target.unlink()
    assert client.get(f"/work/{id}/all.zip").status_code == 404


def test_the_result_of_a_picture_that_was_cancelled_at_the_last_moment_is_dropped(
    client: TestClient, batches: Batches
) -> None:
    id = created(client)
    uploaded(client, id)
    batch = batches.find(id)
    batches.cancel(batch)
    batch.pictures[0].end(State.DONE)
    assert batch.pictures[0].state is State.CANCELLED
