"""Compression of pages."""

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from apps.serving.compression import CompressedPages

TEXT = "A page of many words. " * 1000


async def words(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse(TEXT)(scope, receive, send)


@pytest.mark.parametrize(("path", "encoding"), [("/", "gzip"), ("/config", "gzip"), ("/work/1/result", None)])
def test_only_pages_are_compressed(path: str, encoding: str | None) -> None:
    client = TestClient(CompressedPages(words))
    answer = client.get(path)
    assert answer.headers.get("content-encoding") == encoding
    assert answer.text == TEXT
    assert "content-encoding" not in client.get(path, headers={"Accept-Encoding": "identity"}).headers
