"""API endpoint /double, /health, and deletion of files."""

import os
import time
from pathlib import Path

import pytest
import requests
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from apps.serving import temporary
from support.pictures import photo_like


@pytest.fixture(scope="module")
def client(ui: str) -> Client:
    return Client(ui, verbose=False)


@pytest.mark.slow
def test_the_api_returns_an_upscaled_file(client: Client, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(photo_like(31, 47)).save(photo)
    doubled = client.predict(handle_file(photo), api_name="/double")
    with Image.open(doubled) as image:
        assert image.size == (94, 62)
        assert image.format == "PNG"
    four_times = client.predict(handle_file(photo), four_times=True, format="WebP", api_name="/double")
    with Image.open(four_times) as image:
        assert image.size == (188, 124)
        assert image.format == "WEBP"


@pytest.mark.slow
def test_the_api_refuses_a_file_that_is_not_a_picture(client: Client, tmp_path: Path) -> None:
    words = tmp_path / "words.jpg"
    words.write_text("no picture")
    with pytest.raises(AppError, match=r"words.jpg is not a readable picture"):
        client.predict(handle_file(words), api_name="/double")


@pytest.mark.slow
@pytest.mark.parametrize("option", [{"format": "BMP"}, {"quality": 101}, {"model": "another"}])
def test_the_api_refuses_an_unknown_option(client: Client, tmp_path: Path, option: dict[str, str | int]) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(photo_like(31, 47)).save(photo)
    with pytest.raises(AppError, match=f"{next(iter(option.values()))}|maximum"):
        client.predict(handle_file(photo), **option, api_name="/double")


@pytest.mark.slow
def test_the_api_has_no_other_endpoints(client: Client) -> None:
    assert list(client.view_api(return_format="dict")["named_endpoints"]) == ["/double"]


@pytest.mark.slow
def test_health_reports_the_model(ui: str) -> None:
    answer = requests.get(f"{ui}/health", timeout=10).json()
    assert answer["status"] == "ok"
    assert answer["model"] == "model"
    assert len(answer["revision"]) == 12
    assert answer["uptime_seconds"] >= 0


def test_only_old_files_are_deleted(tmp_path: Path) -> None:
    old, new = tmp_path / "a" / "old.jpg", tmp_path / "b" / "new.jpg"
    for path in (old, new):
        path.parent.mkdir()
        path.write_bytes(b"content")
    an_hour_ago = time.time() - 3601
    os.utime(old, (an_hour_ago, an_hour_ago))
    os.utime(old.parent, (an_hour_ago, an_hour_ago))
    temporary.delete_old(tmp_path, 3600)
    assert not old.exists()
    assert new.exists()


def test_a_photo_uploaded_during_its_deletion_is_kept(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"new")
    temporary.delete(photo, 3600)
    assert photo.read_bytes() == b"new"
