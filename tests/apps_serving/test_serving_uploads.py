"""Ownership of uploaded files, without a server."""

from pathlib import Path
from typing import Any

import pytest

from apps.serving.refusal import RequestRefusedError
from apps.serving.uploads import Uploads


@pytest.fixture
def uploads(tmp_path: Path) -> Uploads:
    return Uploads(lambda _: False, tmp_path)


def test_the_address_beside_a_path_is_removed(uploads: Uploads) -> None:
    uploads.add(["/a.png"])
    body: dict[str, Any] = {"data": [{"path": "/a.png", "url": "http://169.254.169.254/"}]}
    uploads.check(body, "a session")
    assert body == {"data": [{"path": "/a.png", "url": None}]}


def test_an_upload_is_for_the_first_session_that_names_it(uploads: Uploads) -> None:
    uploads.add(["/a.png"])
    for _ in range(2):
        uploads.check({"path": "/a.png"}, "one")
    with pytest.raises(RequestRefusedError, match="not yours"):
        uploads.check({"path": "/a.png"}, "another")
    uploads.add(["/a.png"])  # equal files share a path
    uploads.check({"path": "/a.png"}, "another")
