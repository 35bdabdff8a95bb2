"""Animations: frames, times and repetitions between all formats that hold them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from support.pictures import photo_like
from upscaler.pictures.formats import format_of
from upscaler.pictures.header import Header
from upscaler.pictures.reading import read_frames, read_header
from upscaler.pictures.writing import write

SUFFIXES = (".gif", ".webp", ".png", ".avif")
UNIT = {".gif": 10.0, ".webp": 1.0, ".png": 1.0, ".avif": 1.0}  # milliseconds
FRAMES = [photo_like(16, 16, seed) for seed in range(6)]
ONE_OF_ALL = settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])


def saved(path: Path, times: list[int], **options: Any) -> Path:
    frames = [Image.fromarray(FRAMES[n % len(FRAMES)]) for n in range(len(times))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, **options)
    return path


def converted(source: Path, suffix: str) -> Header:
    """Read an animation and write it in another format, not upscaled; return the header of the result."""
    header, target = read_header(source), source.with_name(f"converted{suffix}")
    with target.open("w+b") as file:
        write(file, format_of(target), list(read_frames(header)), header, header.metadata, 95)
    return read_header(target)


def times_of(header: Header) -> list[float]:
    return [frame.milliseconds for frame in read_frames(header)]


@pytest.mark.slow
@pytest.mark.parametrize("source", SUFFIXES)
@pytest.mark.parametrize("target", SUFFIXES)
@ONE_OF_ALL
@given(times=st.lists(st.integers(10, 3000), min_size=2, max_size=5))
def test_all_frames_stay_and_take_as_long(tmp_path: Path, source: str, target: str, times: list[int]) -> None:
    before = read_header(saved(tmp_path / f"moving{source}", times))
    expected = times_of(before)
    after = times_of(converted(before.path, target))
    assert len(after) == len(times)
    assert np.abs(np.subtract(np.cumsum(after), np.cumsum(expected))).max() <= UNIT[target] / 2 + 0.5


@pytest.mark.parametrize("source", SUFFIXES[:3])
@pytest.mark.parametrize("target", SUFFIXES[:3])
@pytest.mark.parametrize("plays", [0, 1, 2, 5])
def test_it_is_shown_as_often(tmp_path: Path, source: str, target: str, plays: int) -> None:
    options = {"loop": plays} if source != ".gif" else {"loop": plays - 1} if plays > 1 else {}
    if source == ".gif" and plays == 0:
        options = {"loop": 0}
    before = read_header(saved(tmp_path / f"moving{source}", [100, 100], **options))
    assert before.plays == plays
    assert converted(before.path, target).plays == plays


def test_an_avif_is_endless_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = saved(tmp_path / "moving.webp", [100, 100], loop=3)
    assert converted(source, ".avif").plays == 0
    assert "repeated endlessly" in caplog.text


@pytest.mark.parametrize("target", SUFFIXES)
@pytest.mark.parametrize("milliseconds", [70_001, 700_000])
def test_long_times_are_no_obstacle(tmp_path: Path, target: str, milliseconds: int) -> None:
    source = saved(tmp_path / "moving.webp", [milliseconds, 50])
    longest = min(milliseconds, 655_350) if target == ".gif" else milliseconds
    assert times_of(converted(source, target)) == pytest.approx([longest, 50], abs=10)


def test_thirds_of_a_second_add_up(tmp_path: Path) -> None:
    source = tmp_path / "thirty_a_second.png"
    frames = [Image.fromarray(frame) for frame in FRAMES]
    frames[0].save(source, save_all=True, append_images=frames[1:], duration=1000 / 30)
    assert times_of(converted(source, ".gif")) == [30, 40, 30, 30, 40, 30]


@pytest.mark.parametrize("target", [".webp", ".gif", ".avif"])
def test_a_still_picture_is_no_frame(tmp_path: Path, caplog: pytest.LogCaptureFixture, target: str) -> None:
    caplog.set_level(logging.WARNING)
    frames = [Image.fromarray(frame) for frame in FRAMES[:4]]
    source = tmp_path / "still_first.png"
    frames[0].save(source, save_all=True, append_images=frames[1:], default_image=True, duration=[40, 50, 60])
    assert times_of(converted(source, ".png"))[1:] == [40, 50, 60]
    assert not caplog.records
    assert times_of(converted(source, target)) == [40, 50, 60]
    assert "dropped its still picture" in caplog.text
