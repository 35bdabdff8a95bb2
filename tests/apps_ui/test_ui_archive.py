"""Zip file of several results."""

import asyncio
import gc
import io
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from apps.ui import archive
from apps.ui.api import ClosingResponse, download, noting
from apps.ui.archive import File, length, zipped
from apps.ui.batch import Picture

Seen = TypeVar("Seen")


@pytest.fixture
def files(tmp_path: Path) -> list[File]:
    """Two files, one of several parts, whose second name is not ASCII."""
    found = []
    for name, size in (("a.png", 10), ("写真.png", 2_500_000)):
        path = tmp_path / name
        path.write_bytes(bytes(size))
        found.append((path, name))
    return found


def test_the_zip_holds_all_files_and_its_length_is_known(files: list[File]) -> None:
    parts = list(zipped(files))
    assert len(parts) > len(files) and max(map(len, parts)) < 1_100_000
    content = b"".join(parts)
    assert len(content) == length(files)
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == {
            name: path.read_bytes() for path, name in files
        }


def test_a_large_zip_has_no_known_length_and_can_be_read(files: list[File], monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (zipfile, archive):
        monkeypatch.setattr(module, "ZIP64_LIMIT", 1_000_000)
    assert length(files) is None
    with zipfile.ZipFile(io.BytesIO(b"".join(zipped(files)))) as opened:
        assert opened.testzip() is None and len(opened.namelist()) == 2


def test_a_zip_is_sent_whole_although_its_files_are_deleted_meanwhile(files: list[File], tmp_path: Path) -> None:
    size, folder = length(files), tmp_path / "work"
    parts = archive.surviving(files, folder)
    for path, _ in files:
        path.unlink()
    content = b"".join(parts)
    assert len(content) == size
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None
    assert not list(folder.iterdir())


def test_a_zip_that_is_not_sent_leaves_no_link(files: list[File], tmp_path: Path) -> None:
    parts = archive.surviving(files, tmp_path / "work")
    assert list((tmp_path / "work").iterdir())
    del parts
    files[1][0].unlink()
    with pytest.raises(FileNotFoundError):
        archive.surviving(files, tmp_path / "work")
    assert not list((tmp_path / "work").iterdir())


def test_the_length_of_a_file_that_is_gone_is_an_error(files: list[File]) -> None:
    files[0][0].unlink()
    with pytest.raises(FileNotFoundError):
        length(files)


def respond(response: Response, stays: bool, look: Callable[[], Seen]) -> Seen:
    """Send a response to a reader that stays, or goes after the first part; return what `look` sees then.

    It looks while the server's loop still runs, and before garbage is collected: both would end what is left.
    """

    async def send_all() -> Seen:
        left = asyncio.Event()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message.get("body") and not stays:
                left.set()
                await asyncio.Event().wait()  # until the response is cancelled

        await response({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)
        return look()

    gc.disable()
    try:
        with ThreadPoolExecutor(1) as thread:  # another test's browser may run a loop in this thread
            return thread.submit(asyncio.run, send_all()).result(timeout=30)
    finally:
        gc.enable()


@pytest.mark.parametrize("stays", [True, False])
def test_pictures_are_fetched_once_all_was_sent(files: list[File], tmp_path: Path, stays: bool) -> None:
    pictures = [Picture(tmp_path / name, path) for path, name in files]
    response = ClosingResponse(noting(zipped(files), pictures))
    assert respond(response, stays, lambda: [picture.is_fetched for picture in pictures]) == [stays, stays]


@pytest.mark.parametrize("stays", [True, False])
def test_no_link_outlives_the_response(files: list[File], tmp_path: Path, stays: bool) -> None:
    parts = archive.surviving(files, tmp_path / "work")
    assert list((tmp_path / "work").iterdir())
    response = ClosingResponse(noting(parts, []))
    del parts
    assert respond(response, stays, lambda: list((tmp_path / "work").iterdir())) == []


@pytest.mark.parametrize("stays", [True, False])
def test_no_file_is_open_after_a_download(files: list[File], tmp_path: Path, stays: bool) -> None:
    _, (path, _) = files
    picture = Picture(tmp_path, path)
    response = download(Request({"type": "http", "method": "GET", "headers": []}), picture)
    opened = respond(response, stays, lambda: [file.path for file in psutil.Process().open_files()])
    assert str(path) not in opened
    assert picture.is_fetched == stays
