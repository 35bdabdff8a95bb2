"""The page's own interface under attack: ids, origins, names, limits and files of batches."""

import asyncio
import io
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from PIL import Image
from starlette.requests import Request

from apps.serving.refusal import RequestRefusedError
from apps.ui.uploading import received, safe_name
from support.pictures import photo_like

pytestmark = pytest.mark.slow
CHOICES = {"model": "model"}
TIMEOUT = 60


def png(height: int = 20, width: int = 30) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo_like(height, width)).save(file, "PNG")
    return file.getvalue()


def created(ui: str, again: str = "", **request: Any) -> str:
    address = f"{again}/again" if again else f"{ui}/work"
    answer = requests.post(address, json={"choices": CHOICES} | request, timeout=TIMEOUT)
    assert answer.status_code == 201, answer.text
    return f"{ui}/work/{answer.json()['id']}"


def finished(batch: str) -> dict[str, Any]:
    for _ in range(600):
        state: dict[str, Any] = requests.get(batch, timeout=TIMEOUT).json()
        if not state["pending"]:
            return state
        time.sleep(0.1)
    raise AssertionError("the batch does not end")


@pytest.fixture
def batch(ui: str) -> Iterator[str]:
    """Address of a batch with one finished picture."""
    address = created(ui)
    requests.put(address, params={"name": "photo.png"}, data=png(), timeout=TIMEOUT).raise_for_status()
    finished(address)
    yield address
    requests.delete(address, timeout=TIMEOUT)


def test_a_picture_comes_back_upscaled_with_a_comparison(batch: str) -> None:
    (picture,) = requests.get(batch, timeout=TIMEOUT).json()["pictures"]
    assert (picture["state"], picture["size"], picture["doubled_size"]) == ("done", [30, 20], [60, 40])
    answer = requests.get(f"{batch}/0/result", timeout=TIMEOUT)
    assert 'filename="photo_2x.png"' in answer.headers["content-disposition"]
    with Image.open(io.BytesIO(answer.content)) as doubled:
        assert doubled.size == (60, 40)
    markup = requests.post(f"{batch}/0/comparison", timeout=TIMEOUT).json()["markup"]
    assert markup.startswith("<photo-comparison")
    assert "/tmp" not in markup


def test_ids_cannot_be_guessed_or_listed(ui: str, batch: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", batch.rpartition("/")[2])
    for path in ("/work", "/work/", f"/work/{'0' * 32}", f"/work/{'0' * 32}/0/result", "/work/.", "/work/%2e%2e"):
        assert requests.get(f"{ui}{path}", timeout=TIMEOUT).status_code in (404, 405), path


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", ""), ("PUT", "?name=a.png"), ("DELETE", ""), ("POST", "/cancel"), ("POST", "/0/comparison")],
)
def test_foreign_pages_change_nothing(ui: str, batch: str, method: str, path: str) -> None:
    address = f"{ui}/work" if (method, path) == ("POST", "") else f"{batch}{path}"
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        answer = requests.request(method, address, headers=headers, data=b"{}", timeout=TIMEOUT)
        assert answer.status_code in (403, 421), answer.text
    assert requests.get(batch, timeout=TIMEOUT).json()["pictures"][0]["state"] == "done"


@pytest.mark.parametrize(
    "path",
    [
        *("0/photo.png", "0/photo_2x.png", "0/../0/result", "0/%2e%2e/%2e%2e/result", "0/comparison/../photo_2x.png"),
        *(
            "0/comparison/..%2f..%2f..%2fetc%2fpasswd",
            "0/thumbnail.webp/../photo_2x.png",
            "0/",
            "7/result",
            "-1/result",
        ),
        *("0/comparison", "0/comparison/", "0/partial.jpg", "all.zip/x", "0/.part-1.png"),
    ],
)
def test_only_files_for_the_page_are_sent(batch: str, path: str) -> None:
    session = requests.Session()
    request = session.prepare_request(requests.Request("GET", batch))
    request.url = f"{batch}/{path}"  # requests would resolve the dots
    assert session.send(request, timeout=TIMEOUT).status_code in (404, 405), path


def test_a_file_over_the_limit_is_refused_unread(ui: str) -> None:
    address = created(ui)
    answer = requests.put(address, params={"name": "a.png"}, data=bytes(3 * 1024**2), timeout=TIMEOUT)
    assert answer.status_code == 413
    assert "larger than 2 MB" in answer.json()["detail"]
    chunked = requests.put(address, params={"name": "a.png"}, data=iter([bytes(1024**2)] * 3), timeout=TIMEOUT)
    assert chunked.status_code == 413
    assert requests.get(address, timeout=TIMEOUT).json()["pictures"] == []


def test_at_most_fifty_pictures_are_taken(ui: str) -> None:
    address = created(ui)
    answers = [requests.put(address, params={"name": "a.png"}, data=b"x", timeout=TIMEOUT) for _ in range(51)]
    assert {answer.status_code for answer in answers[:50]} == {201}
    assert answers[50].status_code == 413
    requests.delete(address, timeout=TIMEOUT)


@pytest.mark.parametrize(
    "request_",
    [
        *({"choices": CHOICES | {"quality": 101}}, {"choices": CHOICES | {"format": "BMP"}}, {"choices": {}}, {}),
        *(
            {"choices": CHOICES | {"other": 1}},
            {"choices": {"model": "another"}},
            {"choices": CHOICES, "sample": "../x"},
        ),
        {"choices": CHOICES, "again": "0" * 32},
    ],
)
def test_wrong_requests_are_refused_with_a_sentence(ui: str, request_: dict[str, Any]) -> None:
    answer = requests.post(f"{ui}/work", json=request_, timeout=TIMEOUT)
    assert answer.status_code in (400, 404)
    assert "\n" not in answer.json()["detail"]


def test_the_greeting_belongs_to_the_page(ui: str) -> None:
    page = requests.get(ui, timeout=TIMEOUT).text
    greeting = f"{ui}/work/{re.search(r'greeting.{1,40}?([0-9a-f]{32})', page)[1]}"  # type: ignore[index]
    assert requests.get(greeting, timeout=TIMEOUT).status_code == 200
    for method, path in (("DELETE", ""), ("POST", "/cancel"), ("PUT", "?name=a.png")):
        assert requests.request(method, f"{greeting}{path}", timeout=TIMEOUT).status_code == 403


def test_deleted_pictures_are_gone(ui: str, ui_folder: Path) -> None:
    address = created(ui)
    requests.put(address, params={"name": "photo.png"}, data=png(), timeout=TIMEOUT)
    finished(address)
    id = address.rpartition("/")[2]
    assert list(ui_folder.rglob(f"{id}/**/photo_2x.png"))
    assert requests.delete(address, timeout=TIMEOUT).status_code == 204
    assert not list(ui_folder.rglob(id))
    for path in ("", "/0/result"):
        assert "were deleted" in requests.get(f"{address}{path}", timeout=TIMEOUT).json()["detail"]


def test_pictures_can_be_upscaled_again_after_their_batch_is_gone(ui: str, batch: str) -> None:
    again = created(ui, batch, choices=CHOICES | {"four_times": True})
    requests.delete(batch, timeout=TIMEOUT)
    assert finished(again)["pictures"][0]["doubled_size"] == [120, 80]
    requests.delete(again, timeout=TIMEOUT)


def test_a_visitor_has_two_jobs_at_once(crowded_ui: str) -> None:
    choices = {"model": "fast", "flips": True, "four_times": True}
    batches = [created(crowded_ui, choices=choices) for _ in range(2)]
    for address in batches:
        requests.put(address, params={"name": "photo.png"}, data=png(900, 900), timeout=TIMEOUT).raise_for_status()
    answer = requests.post(f"{crowded_ui}/work", json={"choices": choices}, timeout=TIMEOUT)
    assert answer.status_code in (429, 503)
    assert "wait" in answer.json()["detail"] or "try again" in answer.json()["detail"]
    for address in batches:
        requests.delete(address, timeout=TIMEOUT)
    requests.delete(created(crowded_ui, choices=choices), timeout=TIMEOUT)


def test_a_file_that_the_system_does_not_take_is_refused_without_a_path(tmp_path: Path) -> None:
    async def body() -> dict[str, Any]:
        return {"type": "http.request", "body": b"pixels"}

    (tmp_path / "secret").write_bytes(b"no folder")
    request = Request({"type": "http", "query_string": b"name=a.png"}, body)
    with pytest.raises(RequestRefusedError) as refusal:
        asyncio.run(received(request, tmp_path / "secret"))
    assert refusal.value.status == 507
    assert refusal.value.sentence == "this server has a fault (not a directory); try again later"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.png", "a.png"),
        (".hidden.png", "hidden.png"),
        ("a\0b\n\u202e.png", "ab.png"),
        ("", "picture"),
        ("...", "picture"),
        ("\U0001fae8.jpg", "\U0001fae8.jpg"),  # newer than Python 3.11
        ("क्\u200dष.jpg", "क्\u200dष.jpg"),
        ("👨\u200d👩.png", "👨\u200d👩.png"),
        ("Dr. Miller and family at the lake", "Dr. Miller and family at the lake"),
        ("日本.png", "日本.png"),
        ("x" * 300 + ".png", "x" * 176 + ".png"),
        ("日" * 100 + ".png", "日" * 58 + ".png"),
    ],
)
def test_names_are_made_safe(given: str, name: str) -> None:
    assert safe_name(given) == name
