"""Zip file of several results."""

import asyncio
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.responses import StreamingResponse
from starlette.types import Message

from apps.ui import archive
from apps.ui.api import noting
from apps.ui.archive import File, length, zipped
from apps.ui.batch import Picture


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


def test_the_length_of_a_file_that_is_gone_is_an_error(files: list[File]) -> None:
    files[0][0].unlink()
    with pytest.raises(FileNotFoundError):
        length(files)


@pytest.mark.parametrize("stays", [True, False])
def test_pictures_are_fetched_once_all_was_sent(files: list[File], tmp_path: Path, stays: bool) -> None:
    pictures = [Picture(tmp_path / name, path) for path, name in files]

    async def respond() -> None:
        left = asyncio.Event()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message.get("body") and not stays:
                left.set()
                await asyncio.Event().wait()  # until the response is cancelled

        response = StreamingResponse(noting(zipped(files), pictures))
        await response({"type": "http", "method": "GET", "path": "/", "headers": []}, receive, send)

    with ThreadPoolExecutor(1) as thread:  # another test's browser may run a loop in this thread
        thread.submit(asyncio.run, respond()).result(timeout=30)
    assert [picture.is_fetched for picture in pictures] == [stays, stays]
