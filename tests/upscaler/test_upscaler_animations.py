"""Animations: frames, times and repetitions between all formats that hold them."""

import logging
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from support.pictures import photo_like
from upscaler.pictures.formats import GIF, format_of
from upscaler.pictures.header import Frame, Header
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


def gif(*frames: tuple[int, int, int], transparent: bool = True) -> bytes:
    """Return a GIF of 2x1 pixels, red, green or blue: of each frame one pixel's place, colour and disposal.

    transparent: black is transparent.
    """
    content = bytearray(b"GIF89a" + struct.pack("<HHBBB", 2, 1, 0x91, 0, 0))
    content += bytes([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    for place, colour, disposal in frames:
        content += b"\x21\xf9\x04" + struct.pack("<BHBB", disposal << 2 | transparent, 10, 0, 0)
        content += b"\x2c" + struct.pack("<HHHHB", place, 0, 1, 1, 0)
        codes = 4 | colour << 3 | 5 << 6  # of 3 bits: clear, the pixel, end
        content += b"\x02\x02" + struct.pack("<H", codes) + b"\0"
    return bytes(content + b";")


@pytest.mark.parametrize(
    "frames",
    [
        [(0, 1, 2), (0, 2, 0), (1, 3, 0)],  # the second one's "unspecified" is no "background"
        [(0, 1, 1), (0, 2, 3), (1, 3, 0), (0, 0, 0)],  # nor is the third one's "previous"
        [(0, 1, 1), (0, 2, 3), (1, 3, 3), (0, 0, 1)],
    ],
)
def test_frames_of_a_gif_are_disposed_of_as_each_says(tmp_path: Path, frames: list[tuple[int, int, int]]) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(gif(*frames))
    expected = pyvips.Image.gifload(str(path), n=-1).numpy().reshape(-1, 1, 2, 4)
    assert np.array_equal([frame.pixels for frame in read_frames(read_header(path))], expected)


RED, GREEN, NONE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([(0, 1, 0)], [(RED, NONE)]),
        ([(1, 1, 0), (0, 2, 0)], [(NONE, RED), (GREEN, RED)]),
        ([(0, 1, 1), (1, 2, 2), (0, 2, 0)], [(RED, NONE), (RED, GREEN), (GREEN, NONE)]),
        ([(0, 1, 3), (1, 2, 0)], [(RED, NONE), (NONE, GREEN)]),
        ([(0, 1, 4), (1, 2, 0)], [(RED, NONE), (NONE, GREEN)]),
    ],
)
def test_what_no_frame_covers_is_transparent_as_in_browsers(
    tmp_path: Path, frames: list[tuple[int, int, int]], expected: list[tuple[Any, Any]]
) -> None:
    path = tmp_path / "a.gif"
    path.write_bytes(gif(*frames, transparent=False))
    assert [[*map(tuple, frame.pixels[0])] for frame in read_frames(read_header(path))] == [*map(list, expected)]


def test_frames_have_their_own_palettes_and_may_be_interlaced(tmp_path: Path) -> None:
    """Gray first, too, which Pillow opens as gray, and then fails at the colours."""
    gray = Image.fromarray(np.tile(np.arange(256, dtype=np.uint8), (20, 1)))
    colours = [Image.merge("RGB", (gray, gray.point(change), gray)) for change in (lambda v: 255 - v, lambda v: v // 2)]
    for interlace in (0, 1):
        path = tmp_path / f"{interlace}.gif"
        gray.save(path, save_all=True, append_images=colours, interlace=interlace)
        header = read_header(path)
        assert {page.channels for page in header.pages} == {3}
        expected = pyvips.Image.gifload(str(path), n=-1).numpy().reshape(-1, 20, 256, 3)
        assert np.array_equal([frame.pixels for frame in read_frames(header)], expected)


def test_a_gray_animation_stays_gray(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.tile(np.roll(np.arange(256, dtype=np.uint8), n), (20, 1))) for n in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    header = read_header(tmp_path / "a.gif")
    assert {page.channels for page in header.pages} == {1}
    read = [frame.pixels[:, :, 0] for frame in read_frames(header)]
    assert np.array_equal(read, [np.asarray(frame) for frame in frames])


def test_what_an_opaque_first_frame_uncovers_is_transparent(tmp_path: Path) -> None:
    pixels = np.full((2, 8, 12, 4), 255, np.uint8)
    pixels[1, :, :6, 3] = 0
    source, target = read_header(saved(tmp_path / "a.png", [100, 100])), tmp_path / "a.gif"
    with target.open("w+b") as file:
        write(file, GIF, [Frame(pixels[0, :, :, :3], 100.0), Frame(pixels[1], 100.0)], source, source.metadata, 95)
    header = read_header(target)
    by_libvips = pyvips.Image.gifload(str(header.path), n=-1).numpy().reshape(-1, 8, 12, 4)[:, :, :, 3]
    for alphas in ([frame.pixels[:, :, 3] for frame in read_frames(header)], by_libvips):
        assert np.array_equal(alphas, pixels[:, :, :, 3])


@pytest.mark.parametrize("times", [[600_000, 600_000], [300_000, 300_000, 300_000, 655_350], [655_350] * 3])
def test_equal_frames_are_shown_as_long_as_one_may_be(tmp_path: Path, times: list[int]) -> None:
    Image.fromarray(FRAMES[0]).save(
        tmp_path / "a.webp",
        save_all=True,
        append_images=[Image.fromarray(FRAMES[0])] * (len(times) - 1),
        duration=times,
    )
    assert sum(times_of(converted(tmp_path / "a.webp", ".gif"))) <= 655_350


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
