"""Upload quota, also for concurrent uploads."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from unittest.mock import Mock

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.testclient import TestClient
from starlette.types import Message

from apps.serving.bodies import FilesOnly
from apps.serving.guard import Guard, Rules
from apps.serving.quota import Quota
from apps.serving.refusal import RequestRefusedError
from apps.serving.routes import Body, Route
from support.loops import result

CHUNK = 100


def arrive(quota: Quota, visitors: Sequence[str], chunks: int, announced: int = 0) -> list[int]:
    """Upload from all visitors at the same time; return the bytes accepted from each."""

    async def receive() -> Message:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": bytes(CHUNK), "more_body": True}

    async def upload(address: str) -> int:
        taken = 0
        try:
            with quota.counted(receive, address, 0, announced) as counting:
                for _ in range(chunks):
                    taken += len((await counting())["body"])
                await asyncio.sleep(0.01)  # other uploads are in progress
        except RequestRefusedError as refusal:
            assert refusal.status == 507
        return taken

    async def all_at_once() -> list[int]:
        return await asyncio.gather(*map(upload, visitors))

    return result(all_at_once())


def test_concurrent_uploads_do_not_exceed_the_quota(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 20 * CHUNK, seconds=60)
    assert sum(arrive(quota, "abcdefghij", chunks=5)) <= 20 * CHUNK


def test_a_visitor_gets_at_most_half_of_the_quota(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 20 * CHUNK, seconds=60)
    assert sum(sum(arrive(quota, "a", chunks=5)) for _ in range(5)) == 10 * CHUNK
    assert arrive(quota, "b", chunks=5) == [5 * CHUNK]


@pytest.mark.parametrize("announced", [0, 6 * CHUNK])
def test_concurrent_uploads_of_a_visitor_get_at_most_half_of_the_quota(tmp_path: Path, announced: int) -> None:
    quota = Quota(tmp_path, 20 * CHUNK, seconds=60)
    accepted = arrive(quota, "aaa", chunks=6, announced=announced)
    assert (sum(accepted) <= 10 * CHUNK) and (not announced or accepted == [6 * CHUNK, 0, 0])
    assert arrive(quota, "b", chunks=6) == [6 * CHUNK]


def test_bytes_that_were_announced_and_never_sent_are_free_again(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 20 * CHUNK, seconds=60)
    assert [arrive(quota, "a", chunks=1, announced=9 * CHUNK) for _ in range(2)] == [[CHUNK]] * 2


def test_empty_files_count(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 1_000_000, seconds=60)
    with pytest.raises(RequestRefusedError) as refusal:
        for n in range(1000):
            quota.add_file("a")
            (tmp_path / str(n)).mkdir()
            (tmp_path / str(n) / "a").touch()
    assert refusal.value.status == 507
    assert quota.used() <= 500_000
    quota.add_file("b")


def test_each_file_of_a_form_counts(tmp_path: Path) -> None:
    files = {str(n): (f"{n}.jpg", b"1") for n in range(3)}
    form = httpx.Request("POST", "http://localhost", data={"name": "value"}, files=files)
    counted: list[None] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": form.read()}

    result(FilesOnly(receive, form.headers["content-type"], lambda: counted.append(None))())
    assert len(counted) == 3


def test_an_announced_upload_over_the_quota_is_refused_at_once(tmp_path: Path) -> None:
    assert arrive(Quota(tmp_path, 20 * CHUNK, seconds=60), "a", chunks=1, announced=21 * CHUNK) == [0]


def test_old_uploads_no_longer_count(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 20 * CHUNK, seconds=0)
    assert [arrive(quota, "a", chunks=9)[0] for _ in range(5)] == [9 * CHUNK] * 5


def test_files_count_for_the_lifetime_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quota = Quota(tmp_path, 40_000, seconds=10)
    began = time.monotonic()
    for later, is_refused in ((0, False), (0, False), (9, True), (11, False)):
        monkeypatch.setattr(time, "monotonic", lambda later=later: began + later)
        with pytest.raises(RequestRefusedError, match="within 10 seconds; try again") if is_refused else nullcontext():
            quota.add_file("a")


def test_each_file_sent_without_a_form_counts(tmp_path: Path) -> None:
    route = Route("/{name}", ("PUT",), Body.FILE)
    rules = Rules(frozenset(), False, 100, 100, tmp_path, 40_000, 60, lambda _: False, lambda *_: None, [route])
    app = Starlette(routes=[StarletteRoute("/{name}", lambda _: Response(), methods=["PUT"])])
    client = TestClient(Guard(app, rules, Mock()), base_url="http://localhost")
    assert [client.put(f"/{n}.jpg").status_code for n in range(3)] == [200, 200, 507]


def test_links_count_once(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "a").write_bytes(bytes(10_000_000))
    before = Quota(tmp_path, 2000, seconds=60).used()
    for n in range(3):
        (tmp_path / "first" / f"again_{n}").hardlink_to(tmp_path / "first" / "a")
    assert 0 <= Quota(tmp_path, 2000, seconds=60).used() - before < 100_000


def test_files_in_the_folder_count(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(bytes(1234))
    quota = Quota(tmp_path, 2000, seconds=60)
    assert 1234 <= quota.used() < 1234 + 100_000
    with pytest.raises(RequestRefusedError), quota.counted(lambda: None, "a", 1234, 800):  # type: ignore[arg-type,return-value]
        pass
