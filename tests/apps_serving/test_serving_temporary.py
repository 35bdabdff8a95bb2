"""Removal of temporary files at the end of an app."""

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from gradio_client import Client, handle_file
from PIL import Image

from apps.serving.temporary import _remove_abandoned, content_of, delete_old, is_inside, size_of, worker_folder
from support.models import write_tiny_model
from support.pictures import photo_like
from support.processes import running_app

PREFIX = "double_resolution_*"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    return {"DOUBLE_RESOLUTION_MODEL": str(write_tiny_model(tmp_path / "model")), "TMPDIR": str(tmp_path)}


def double(address: str, folder: Path) -> None:
    photo = folder / "photo.png"
    Image.fromarray(photo_like(30, 40)).save(photo)
    Client(address, verbose=False).predict(handle_file(photo), api_name="/double")


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE  # not yet reaped by its parent


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_stopped_app_leaves_no_file_and_no_process(settings: dict[str, str], tmp_path: Path, name: str) -> None:
    with running_app("apps.ui", settings) as (app, address):
        double(address, tmp_path)
        (folder,) = tmp_path.glob(PREFIX)
        assert size_of(folder) > 0
        workers = psutil.Process(app.pid).children(recursive=True)
        app.send_signal(getattr(signal, name))
        app.wait(60)
    assert not folder.exists()
    assert workers and all(has_ended(worker) for worker in workers)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_files_of_a_killed_app_are_removed_by_the_next(settings: dict[str, str], tmp_path: Path) -> None:
    with running_app("apps.ui", settings) as (app, address):
        double(address, tmp_path)
        app.kill()
        app.wait(60)
    (abandoned,) = tmp_path.glob(PREFIX)
    with running_app("apps.ui", settings):
        assert not abandoned.exists()
        assert len(list(tmp_path.glob(PREFIX))) == 1


def test_the_folder_of_a_killed_app_with_this_ones_number_is_removed(tmp_path: Path) -> None:
    kept, left = (tmp_path / f"double_resolution_{number}_x" for number in (os.getppid(), os.getpid()))
    kept.mkdir()
    left.mkdir()  # in a container, each app has the same number
    _remove_abandoned(tmp_path)
    assert kept.exists() and not left.exists()


def test_hidden_files_and_links_out_of_a_folder_are_not_inside(tmp_path: Path) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside.txt"
    (folder / ".hidden").mkdir(parents=True)
    outside.write_text("outside", encoding="utf-8")
    for name in ("a.png", ".part-a.png", ".hidden/a.png"):
        (folder / name).write_text("inside", encoding="utf-8")
    (folder / "link.png").symlink_to(outside)
    assert is_inside(folder / "a.png", folder)
    for name in ("", ".part-a.png", ".hidden/a.png", "link.png", "../outside.txt", "gone.png", "a.png/x", "\0"):
        assert not is_inside(folder / name, folder)


def test_the_folder_of_a_worker_outlives_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder, other = worker_folder(), tmp_path / "other"
    other.mkdir()
    (folder / "inside").mkdir()
    for file in (folder / "old", folder / "new"):
        file.write_text("content", encoding="utf-8")
    long_ago = time.time() - 7200
    for path in (folder, folder / "inside", folder / "old", other):
        os.utime(path, (long_ago, long_ago))
    delete_old(tmp_path, 3600)
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == [folder / "new"]
    (folder / "new").unlink()
    os.utime(folder, (long_ago, long_ago))
    delete_old(tmp_path, 3600)
    assert list(tmp_path.iterdir()) == [folder]


def test_folders_that_vanish_during_a_walk_are_passed_over(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("content")
    walk = content_of(tmp_path)
    first = next(walk).parent
    for folder in tmp_path.iterdir():
        if folder != first:
            shutil.rmtree(folder)
    assert first / "file" not in list(walk)
    assert size_of(tmp_path) > 0
