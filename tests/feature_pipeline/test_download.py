"""Downloads from a local server whose connections break."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from feature_pipeline import download
from feature_pipeline.download import CHUNK
from feature_pipeline.errors import FeatureError
from feature_pipeline.source import ATTEMPTS

CONTENT = np.random.default_rng(0).bytes(10 * CHUNK)
MOST = len(CONTENT)


class Server(ThreadingHTTPServer):
    """Server of `content`; each answer ends after the next of `breaks` bytes, then all are whole."""

    content, status, etag, resumes, shift = CONTENT, 200, '"first"', True, 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.breaks: list[int] = []
        self.begun: list[int] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/list.csv"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, first = self.server, 0
        if server.resumes and self.headers["If-Range"] == server.etag:
            first = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) + server.shift
        server.begun.append(first)
        self.send_response(206 if first else server.status)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(server.content) - 1}/{len(server.content)}")
        self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(server.content) - first))
        self.end_headers()
        self.wfile.write(server.content[first:][: server.breaks.pop(0) if server.breaks else None])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "BACKOFF", 0.0)
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_broken_download_goes_on_at_the_next_byte(server: Server, tmp_path: Path) -> None:
    server.breaks = [3 * CHUNK, 0, 0, 0, 5 * CHUNK, 0, 0, 0]  # more in all than attempts in a row
    download.download(server.address, tmp_path / "list.csv", MOST)
    assert (tmp_path / "list.csv").read_bytes() == CONTENT
    assert server.begun == [0, *[3 * CHUNK] * 4, *[8 * CHUNK] * 4]


@pytest.mark.parametrize(("etag", "resumes"), [('"first"', False), ('W/"first"', True), ("", True)])
def test_it_begins_anew_where_it_cannot_go_on(server: Server, tmp_path: Path, etag: str, resumes: bool) -> None:
    server.etag, server.resumes, server.breaks = etag, resumes, [3 * CHUNK, 2 * CHUNK]
    download.download(server.address, tmp_path / "list.csv", MOST)
    assert (tmp_path / "list.csv").read_bytes() == CONTENT
    assert server.begun == [0, 0, 0]


def test_content_that_changes_meanwhile_is_not_mixed(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(_: float) -> None:
        server.etag, server.content = '"second"', CONTENT[::-1]

    monkeypatch.setattr("time.sleep", change)
    server.breaks = [3 * CHUNK]
    download.download(server.address, tmp_path / "list.csv", MOST)
    assert (tmp_path / "list.csv").read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize(
    ("status", "breaks", "most", "requests", "sentence"),
    [
        (404, [], MOST, 1, "cannot be downloaded .*404"),
        (503, [], MOST, ATTEMPTS, "cannot be downloaded .*503"),
        (200, [3 * CHUNK, *[0] * 9], MOST, ATTEMPTS, "cannot be downloaded"),
        (200, [3 * CHUNK, 2 * CHUNK] * 9, MOST, ATTEMPTS, "cannot be downloaded"),
        (200, [], MOST - 1, 1, "more than 655,359 bytes; give another address"),
    ],
)
def test_what_cannot_be_downloaded_is_one_sentence_and_leaves_nothing(
    server: Server, tmp_path: Path, status: int, breaks: list[int], most: int, requests: int, sentence: str
) -> None:
    server.status, server.breaks, server.resumes = status, breaks, False
    with pytest.raises(FeatureError, match=sentence):
        download.download(server.address, tmp_path / "list.csv", most)
    assert len(server.begun) == requests
    assert list(tmp_path.iterdir()) == []


def test_other_bytes_than_asked_for_are_refused(server: Server, tmp_path: Path) -> None:
    server.breaks, server.shift = [3 * CHUNK], CHUNK
    with pytest.raises(FeatureError, match="sends other bytes than asked for"):
        download.download(server.address, tmp_path / "list.csv", MOST)
    assert list(tmp_path.iterdir()) == []
