"""Hostile pictures: each gets one error message within seconds, and the next photo is upscaled."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from apps.serving import loading
from apps.serving.job_limits import JobLimits
from apps.serving.worker import Worker
from apps.ui.batch import State
from support import hostile_pictures as hostile
from support.batches import upscaled
from support.models import write_tiny_model
from support.pictures import photo_like
from upscaler.model import artifact

GENEROUS = 30.0  # seconds; the worker's limit is equal, but has another message


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    model = write_tiny_model(tmp_path_factory.mktemp("models") / "tiny_model")
    place = loading.place_of(artifact.read(model))
    with Worker("apps.ui.worker", {"models": [place]}, JobLimits(seconds=GENEROUS)) as started:
        started.start()
        yield started


@pytest.mark.slow
@pytest.mark.parametrize("name", hostile.REFUSED)
def test_a_hostile_picture_gets_one_sentence(worker: Worker, tmp_path: Path, name: str) -> None:
    photo = tmp_path / "photo.png"
    hostile.REFUSED[name](tmp_path / name)
    Image.fromarray(photo_like(30, 40)).save(photo)
    started = time.monotonic()
    batch = upscaled(worker, tmp_path, [tmp_path / name, photo])
    assert time.monotonic() - started < GENEROUS
    assert [picture.state for picture in batch.pictures] == [State.FAILED, State.DONE]
    sentence = batch.pictures[0].sentence
    assert sentence.startswith(name) and sentence.endswith(".") and "\n" not in sentence
    assert not any(
        phrase in sentence for phrase in ("took", "crashed", "memory", "--max-pixels", "cannot be processed")
    )


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_blanks_before_a_location_take_linear_time(worker: Worker, tmp_path: Path, suffix: str) -> None:
    hostile.blank_xmp(tmp_path / f"in{suffix}", 900_000)
    batch = upscaled(worker, tmp_path, [tmp_path / f"in{suffix}"], remove_location=True)
    assert b"GPS" not in batch.done[0].target.read_bytes()


@pytest.mark.slow
def test_a_job_over_the_remaining_time_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    Image.linear_gradient("L").resize((8000, 5000)).save(tmp_path / "photo.png", compress_level=1)
    limits = JobLimits(seconds=10, windows=10**9)
    with Worker("apps.ui.worker", {"models": [loading.place_of(artifact.read(tiny_model))]}, limits) as worker:
        batch = upscaled(worker, tmp_path, [tmp_path / "photo.png"], flips=True, four_times=True)
    assert batch.pictures[0].sentence.startswith("photo.png would take about ")
    assert "more than the limit of 10 seconds" in batch.pictures[0].sentence
