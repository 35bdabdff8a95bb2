"""Upscaling of batches, without the page."""

import errno
import os
import threading
import time
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from apps.serving import loading, temporary
from apps.serving.job_limits import JobLimits
from apps.serving.messages import Update
from apps.serving.quota import check_space
from apps.serving.worker import Worker, WorkerError
from apps.ui.batch import PARTIAL, THUMBNAIL, Result, State
from support.batches import PATIENCE, ScriptedWorker, given, registry, running, until, upscaled, wait_for
from support.clock import Clock
from support.models import write_tiny_model
from support.pictures import photo_like
from upscaler.model import artifact


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    model = write_tiny_model(tmp_path_factory.mktemp("models") / "tiny_model")
    with Worker("apps.ui.worker", {"models": [loading.place_of(artifact.read(model))]}, JobLimits()) as started:
        started.start()
        yield started


def photo(folder: Path, name: str, height: int = 30, width: int = 40) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo_like(height, width)).save(path)
    return path


def long_work(folder: Path) -> Path:
    """Write a photo that takes minutes with `flips` and `four_times`."""
    path = folder / "large.jpg"
    Image.fromarray(photo_like(500, 800)).resize((3200, 2000)).save(path, quality=70)
    return path


def test_of_two_pictures_with_one_broken_the_other_is_done(worker: Worker, tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"words, not pixels")
    batch = upscaled(worker, tmp_path, [broken, photo(tmp_path, "good.png")])
    assert [picture.state for picture in batch.pictures] == [State.FAILED, State.DONE]
    assert batch.pictures[0].sentence.startswith("broken.jpg is not a readable picture")
    result = batch.done[0].result
    assert result and (result.size, result.doubled_size) == ((40, 30), (80, 60))


@pytest.mark.slow
def test_files_in_use_are_not_deleted(worker: Worker, tmp_path: Path) -> None:
    source, long_ago = photo(tmp_path / "uploads", "a.png", 300, 450), time.time() - 7200
    batches = registry(tmp_path)
    with running(worker, batches):
        batch = given(batches, [source], flips=True, four_times=True)
        while batch.is_pending:
            os.utime(source, (long_ago, long_ago))  # as if an hour passed between two reports
            until(lambda: source.stat().st_mtime > long_ago or not batch.is_pending)
            temporary.delete_old(tmp_path / "uploads", 3600)
    assert [picture.state for picture in batch.pictures] == [State.DONE]


@pytest.mark.parametrize(
    ("of_others", "own", "sentence"),
    [
        (1100, 0, "photo.png is left out: the server's disk is full of other photos; try again in an hour."),
        (
            0,
            600,
            "photo.png is left out: your photos take half of the server's disk; delete some, or try again in an hour.",
        ),
    ],
)
def test_no_job_begins_while_the_disk_is_full(tmp_path: Path, of_others: int, own: int, sentence: str) -> None:
    def work(_arguments: dict[str, Any]) -> Generator[Update | Result]:
        raise AssertionError("it begins")

    batches, blocks = registry(tmp_path), 1000
    earlier = given(batches, [])
    (earlier.folder / "result").write_bytes(bytes(own * blocks))
    (tmp_path / "upload").write_bytes(bytes(of_others * blocks))
    with running(ScriptedWorker(work), batches, partial(check_space, tmp_path, 1000 * blocks, 3600)):
        batch = wait_for(given(batches, [tmp_path / "photo.png"]))
    assert (batch.pictures[0].state, batch.pictures[0].sentence) == (State.FAILED, sentence)


def test_a_fault_of_the_server_is_said_without_its_paths(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def work(_arguments: dict[str, Any]) -> Generator[Update | Result]:
        raise OSError(errno.ENOSPC, "No space left on device", "/srv/secret/photo.png")
        yield

    batches = registry(tmp_path)
    with running(ScriptedWorker(work), batches):
        batch = wait_for(given(batches, [tmp_path / "photo.png"]))
    said = "photo.png is left out: this server has a fault (no space left on device); try again later."
    assert batch.pictures[0].sentence == said
    assert "a picture was refused: this server has a fault (no space left on device)" in caplog.text
    assert "secret" not in caplog.text


def test_an_unforeseen_fault_costs_only_its_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def work(arguments: dict[str, Any]) -> Generator[Update | Result]:
        if "odd" in str(arguments):
            raise LookupError("unforeseen")
        raise WorkerError("crashed")
        yield

    batches = registry(tmp_path)
    with running(ScriptedWorker(work), batches):
        batch = wait_for(given(batches, [tmp_path / "odd.png", tmp_path / "next.png"]))
    assert [picture.state for picture in batch.pictures] == [State.FAILED, State.FAILED]
    assert batch.pictures[0].sentence == "odd.png cannot be processed; export it again as PNG or JPEG."
    assert "next.png crashed" in batch.pictures[1].sentence
    assert "LookupError: unforeseen" in caplog.text


LEFT_OUT = "is left out: these pictures together take longer than 30 minutes; give the rest afterwards."


@pytest.mark.parametrize("slow", [0, 1])
def test_a_batch_has_the_time_of_one_job_and_its_rest_is_left_out_without_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: int
) -> None:
    clock, begun = Clock(), []
    monkeypatch.setattr("apps.ui.runner.time", SimpleNamespace(monotonic=clock.now))

    def work(arguments: dict[str, Any]) -> Generator[Update | Result]:
        begun.append(Path(arguments["source"]).name)
        clock.sleep(1)
        if begun[-1] == f"{slow}.png":
            clock.sleep(1800)
            yield Update()
            raise WorkerError("took longer than 30 minutes; make it smaller")
        yield Result(size=(1, 1), doubled_size=(2, 2), seconds=0)

    batches = registry(tmp_path)
    batch = given(batches, [photo(tmp_path, f"{n}.png") for n in range(4)])
    with running(ScriptedWorker(work, seconds=1800), batches):
        wait_for(batch)
    assert begun == ["0.png", "1.png"][: slow + 1]
    assert [picture.state for picture in batch.pictures] == [State.DONE] * slow + [State.FAILED] * (4 - slow)
    cut_off, *rest = [picture.sentence for picture in batch.pictures[slow:]]
    assert cut_off == ("0.png took longer than 30 minutes; make it smaller." if slow == 0 else f"1.png {LEFT_OUT}")
    assert rest == [f"{n}.png {LEFT_OUT}" for n in range(slow + 1, 4)]


def test_a_deleted_photo_must_be_chosen_again(worker: Worker, tmp_path: Path) -> None:
    batch = upscaled(worker, tmp_path, [tmp_path / "gone.jpg"])
    assert batch.pictures[0].sentence == "gone.jpg is deleted by now; choose it again."


def test_cancelling_in_mid_work_frees_the_worker_and_keeps_what_is_done(worker: Worker, tmp_path: Path) -> None:
    batches = registry(tmp_path)
    with running(worker, batches):
        batch = given(batches, [photo(tmp_path, "small.png"), long_work(tmp_path)], flips=True, four_times=True)
        until(lambda: batch.pictures[1].share > 0)
        batch.cancel()
        began = time.monotonic()
        after = wait_for(given(batches, [photo(tmp_path, "next.png")]))
        assert time.monotonic() - began < 20
    assert [picture.state for picture in batch.pictures] == [State.DONE, State.CANCELLED]
    assert batch.pictures[0].target.exists()
    assert after.pictures[0].state is State.DONE


def test_nothing_is_left_of_a_cancelled_picture_that_the_worker_still_writes(tmp_path: Path) -> None:
    written = threading.Event()

    def work(arguments: dict[str, Any]) -> Generator[Update | Result]:
        try:
            while True:
                yield Update()
        finally:
            for name in (PARTIAL, THUMBNAIL):
                Path(arguments["previews"], name).write_text("rows", encoding="utf-8")
            Path(arguments["target"]).write_text("result", encoding="utf-8")
            written.set()

    batches = registry(tmp_path)
    with running(ScriptedWorker(work), batches):
        batch = given(batches, [tmp_path / "photo.png"])
        until(lambda: batch.pictures[0].state is State.WORKING)
        batches.cancel(batch)
        assert written.wait(PATIENCE)
        until(lambda: not list(batch.pictures[0].folder.iterdir()))
    assert batch.pictures[0].state is State.CANCELLED


def test_deleting_in_mid_work_leaves_no_file(worker: Worker, tmp_path: Path) -> None:
    batches = registry(tmp_path)
    with running(worker, batches):
        batch = given(batches, [long_work(tmp_path)], flips=True)
        until(lambda: batch.pictures[0].share > 0)
        batches.delete(batch)
        wait_for(given(batches, [photo(tmp_path, "next.png")]))  # the deleted job has ended
    assert not batch.folder.exists()


@pytest.mark.slow
def test_the_page_sees_the_rows_that_are_done_and_programs_pay_for_no_previews(worker: Worker, tmp_path: Path) -> None:
    batches = registry(tmp_path)
    large = long_work(tmp_path)
    with running(worker, batches):
        batch = given(batches, [large], flips=True)
        until(lambda: (batch.pictures[0].folder / PARTIAL).exists())
        with Image.open(batch.pictures[0].folder / PARTIAL) as rows, Image.open(large) as original:
            assert rows.width <= 1024 and rows.height / rows.width < original.height / original.width
        batch.cancel()
        for_program = given(batches, [photo(tmp_path, "small.png")])
        for_program.for_page = False
        wait_for(for_program)
    assert not (for_program.pictures[0].folder / THUMBNAIL).exists()


def test_logs_name_no_file(worker: Worker, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = tmp_path / "private.png"
    broken.write_bytes(b"no picture")
    printed = tmp_path / "private.jpg"
    Image.fromarray(photo_like(30, 40)).convert("CMYK").save(printed)
    batch = upscaled(worker, tmp_path, [printed, broken])
    assert [picture.state for picture in batch.pictures] == [State.DONE, State.FAILED]
    assert "a picture was refused" in caplog.text
    assert "private" not in caplog.text
