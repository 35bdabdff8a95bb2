"""Upscaling of uploaded files, without the page."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from apps.ui.doubling import Choices, double_all
from PIL import Image

from apps.serving import loading, temporary
from apps.serving.job_limits import JobLimits
from apps.serving.worker import Worker
from support.pictures import photo_like
from upscaler.model import artifact


@pytest.fixture
def worker(tiny_model: Path) -> Iterator[Worker]:
    place = loading.place_of(artifact.read(tiny_model))
    started = Worker("apps.ui.worker", {"models": [place]}, JobLimits())
    yield started
    started.close()


def test_files_in_use_are_not_deleted(worker: Worker, tmp_path: Path) -> None:
    files = [tmp_path / "uploads" / name for name in ("a.png", "b.png")]
    files[0].parent.mkdir()
    for file in files:
        Image.fromarray(photo_like(30, 40)).save(file)
    long_ago = time.time() - 7200
    for work in double_all(worker, "tiny_model", files, Choices(), tmp_path):
        assert work.failed == []
        temporary.delete_old(tmp_path, 3600)
        for path in tmp_path.rglob("*.*"):  # as if an hour passed between two reports
            os.utime(path, (long_ago, long_ago))
    assert [doubled.doubled_size for doubled in work.done] == [(80, 60)] * 2
    assert all(doubled.file.exists() for doubled in work.done)


def test_a_deleted_photo_must_be_chosen_again(worker: Worker, tmp_path: Path) -> None:
    *_, work = double_all(worker, "tiny_model", [tmp_path / "gone.jpg"], Choices(), tmp_path)
    assert work.failed == ["gone.jpg is deleted by now; choose it again."]


def test_logs_name_no_file(worker: Worker, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    printed, broken = tmp_path / "private.jpg", tmp_path / "private.png"
    Image.fromarray(photo_like(30, 40)).convert("CMYK").save(printed)
    broken.write_bytes(b"no picture")
    *_, work = double_all(worker, "tiny_model", [printed, broken], Choices(), tmp_path)
    assert [doubled.doubled_size for doubled in work.done] == [(80, 60)]
    assert "a picture was refused" in caplog.text
    assert "private" not in caplog.text
