"""Upload quota, also for concurrent uploads."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.types import Message

from apps.serving.quota import Quota
from apps.serving.refusal import RequestRefusedError

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

    with ThreadPoolExecutor(1) as thread:  # another test's browser may run a loop in this thread
        return thread.submit(asyncio.run, all_at_once()).result()


def test_concurrent_uploads_do_not_exceed_the_quota(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 20 * CHUNK, seconds=60)
    assert sum(arrive(quota, "abcdefghij", chunks=5)) <= 20 * CHUNK


def test_a_visitor_gets_at_most_half_of_the_quota(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 20 * CHUNK, seconds=60)
    assert sum(sum(arrive(quota, "a", chunks=5)) for _ in range(5)) == 10 * CHUNK
    assert arrive(quota, "b", chunks=5) == [5 * CHUNK]


def test_an_announced_upload_over_the_quota_is_refused_at_once(tmp_path: Path) -> None:
    assert arrive(Quota(tmp_path, 20 * CHUNK, seconds=60), "a", chunks=1, announced=21 * CHUNK) == [0]


def test_old_uploads_no_longer_count(tmp_path: Path) -> None:
    quota = Quota(tmp_path, 20 * CHUNK, seconds=0)
    assert [arrive(quota, "a", chunks=9)[0] for _ in range(5)] == [9 * CHUNK] * 5


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
