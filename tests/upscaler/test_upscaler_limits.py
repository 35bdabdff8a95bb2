"""Limits on the work and memory of a file, checked before either is spent."""

import io
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from support import hostile_pictures as hostile
from support.pictures import photo_like
from upscaler import Limits, Options, PictureError, Upscaler, double_file
from upscaler.errors import LimitError
from upscaler.limits import duration
from upscaler.pictures.jpeg_file import check_jpeg
from upscaler.pictures.reading import read_frames, read_header
from upscaler.pixels import Planes
from upscaler.price import count_windows

GENEROUS = 20.0  # seconds; without limits these take minutes to hours
LIMITS = Limits(frames=1_000, windows=100_000, scans=100)


def refusal(upscaler: Upscaler, source: Path, target: Path, options: Options) -> str:
    started = time.monotonic()
    with pytest.raises(PictureError) as refused:
        list(double_file(upscaler, source, target, options))
    assert time.monotonic() - started < GENEROUS
    assert not target.exists()
    message = str(refused.value)
    assert source.name in message and "\n" not in message
    return message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "write", "limit"),
    [
        ("apng.png", hostile.lying_apng, "1,000"),
        ("frames.gif", lambda path: hostile.gif(path, 20_000), "1,000"),
        ("thin.png", lambda path: hostile.thin_png(path, 10_000_000), "100,000"),
        ("scans.jpg", lambda path: hostile.jpeg_of_scans(path, 1000), "100"),
        ("pages.tif", lambda path: hostile.deep_tiff(path, 3000), "1,000"),
    ],
)
def test_files_over_a_limit_are_refused_before_work(
    upscaler: Upscaler, tmp_path: Path, name: str, write: Callable[[Path], None], limit: str
) -> None:
    source = tmp_path / name
    write(source)
    assert limit in refusal(upscaler, source, tmp_path / f"x{source.suffix}", Options(limits=LIMITS))


def test_nothing_is_allocated_from_a_header_without_limits_on_frames(upscaler: Upscaler, tmp_path: Path) -> None:
    hostile.lying_apng(tmp_path / "apng.png")
    message = refusal(upscaler, tmp_path / "apng.png", tmp_path / "x.png", Options())
    assert "declares 2,147,483,647 frames, more than it can hold" in message


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_an_animation_with_too_many_pixels_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    frames = [Image.fromarray(photo_like(40, 60, seed)) for seed in range(2)]
    frames[0].save(path, save_all=True, append_images=frames[1:], disposal=2 if suffix == ".gif" else 1)
    assert read_header(path, Limits(pixels=2400)).frames == 2
    monkeypatch.setattr(Image, "open", None)  # Pillow allocates the background at once
    with pytest.raises(
        LimitError, match=r"60x40 pixels, more than the limit of 0\.002399 megapixels; .* or raise --max-pixels"
    ):
        read_header(path, Limits(pixels=2399))


def test_a_gif_frame_outside_the_screen_is_refused(upscaler: Upscaler, tmp_path: Path) -> None:
    source = tmp_path / "small.gif"
    hostile.gif(source, 3)
    content = bytearray(source.read_bytes())
    frame = content.rindex(b",\0\0\0\0\x04\0\x02\0")
    content[frame + 5 : frame + 9] = b"\xff\xff\xff\xff"  # 65,535 pixels a side
    source.write_bytes(content)
    assert "with a frame outside" in refusal(upscaler, source, tmp_path / "x.gif", Options())


@pytest.mark.parametrize("write", [hostile.gif, hostile.jpeg_of_scans, hostile.deep_tiff])
def test_files_within_the_limits_are_upscaled(
    upscaler: Upscaler, tmp_path: Path, write: Callable[[Path, int], None]
) -> None:
    suffix = {hostile.gif: ".gif", hostile.jpeg_of_scans: ".jpg", hostile.deep_tiff: ".tif"}[write]
    write(tmp_path / f"in{suffix}", 30)
    list(double_file(upscaler, tmp_path / f"in{suffix}", tmp_path / f"x{suffix}", Options(limits=LIMITS)))
    assert (tmp_path / f"x{suffix}").exists()


def test_scans_of_a_thumbnail_do_not_count(tmp_path: Path) -> None:
    hostile.jpeg_of_scans(tmp_path / "thumbnail.jpg", 200)
    Image.fromarray(photo_like(20, 30)).save(tmp_path / "photo.jpg", exif=b"Exif\0\0" + b"x" * 9)
    content = (tmp_path / "photo.jpg").read_bytes()
    thumbnail = (tmp_path / "thumbnail.jpg").read_bytes()[:60_000]
    comment = b"\xff\xfe" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    (tmp_path / "photo.jpg").write_bytes(content[:2] + comment + content[2:])
    assert read_header(tmp_path / "photo.jpg", LIMITS).width == 30


@pytest.mark.slow
def test_the_time_for_pages_grows_with_their_number(tmp_path: Path) -> None:
    hostile.deep_tiff(tmp_path / "pages.tif", 3000)  # each searched for from the first on: 6 minutes
    header = read_header(tmp_path / "pages.tif")
    started = time.monotonic()
    frames = list(read_frames(header))
    assert time.monotonic() - started < GENEROUS
    assert len(frames) == header.frames == 3000
    assert all((frame.pixels.ravel() == np.arange(0, 8000, 1000)).all() for frame in frames)


@settings(max_examples=20)
@given(
    height=st.integers(8, 60),
    width=st.integers(8, 60),
    frames=st.integers(1, 3),
    mode=st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    times=st.integers(1, 2),
    flips=st.booleans(),
)
def test_the_price_is_the_number_of_runs_of_the_network(
    upscaler: Upscaler,
    tmp_path_factory: pytest.TempPathFactory,
    height: int,
    width: int,
    frames: int,
    mode: str,
    times: int,
    flips: bool,
) -> None:
    folder = tmp_path_factory.mktemp("price")
    noise = np.random.default_rng(0).integers(0, 256, (frames, height, width, 4), np.uint8)
    pages = [Image.fromarray(page).convert(mode) for page in noise]
    pages[0].save(folder / "in.tif", save_all=True, append_images=pages[1:])
    run = upscaler._engine.run
    runs = []

    def counted(jobs: Iterable[tuple[Any, Planes]]) -> Iterator[tuple[Any, Planes]]:
        for job in jobs:
            runs.append(1)
            yield job

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(upscaler._engine, "run", lambda jobs: run(counted(jobs)))
        list(double_file(upscaler, folder / "in.tif", folder / "x.tif", Options(times=times, flips=flips)))
    assert count_windows(upscaler, read_header(folder / "in.tif"), times, flips) == len(runs)


def test_a_job_over_the_time_limit_is_refused(upscaler: Upscaler, tmp_path: Path) -> None:
    Image.fromarray(photo_like(400, 400)).save(tmp_path / "photo.png")
    options = Options(limits=Limits(seconds=1e-6))
    message = refusal(upscaler, tmp_path / "photo.png", tmp_path / "x.png", options)
    assert "would take about" in message and "choose a faster model" in message


def test_a_small_job_triggers_no_benchmark(upscaler: Upscaler, tmp_path: Path) -> None:
    Image.fromarray(photo_like(20, 20)).save(tmp_path / "photo.png")
    list(double_file(upscaler, tmp_path / "photo.png", tmp_path / "x.png", Options(limits=Limits(seconds=1e-6))))
    assert (tmp_path / "x.png").exists()


@pytest.mark.parametrize("name", ["tags.tif", "exif.jpg"])
def test_tags_larger_than_their_file_are_refused(upscaler: Upscaler, tmp_path: Path, name: str) -> None:
    if name == "tags.tif":
        hostile.tags_of_the_whole(tmp_path / name, tags=300)
    else:
        hostile.exif_of_the_whole(tmp_path / name)
    assert "its tags are larger than the file" in refusal(upscaler, tmp_path / name, tmp_path / "x.png", Options())


@pytest.mark.parametrize(
    ("segments", "length", "words"), [(2_001, 1, "than 2,000 segments"), (70, 60_000, "than 4 MB of EXIF")]
)
def test_exif_in_too_many_segments_is_refused(tmp_path: Path, segments: int, length: int, words: str) -> None:
    hostile.jpeg_of_segments(tmp_path / "a.jpg", segments, length)
    with pytest.raises(LimitError, match=f"more {words}"):
        read_header(tmp_path / "a.jpg")
    hostile.jpeg_of_segments(tmp_path / "a.jpg", segments * 9 // 10, length)
    assert read_header(tmp_path / "a.jpg").width == 8


@pytest.mark.parametrize("unit", [b"\xff", b"\xff\0", b"\xff\xd0", b"\xff\xd9", b"\0"], ids=bytes.hex)
@pytest.mark.parametrize("place", ["after a segment", "before the scan", "without segments"])
def test_bytes_between_the_segments_of_a_jpeg_are_limited(tmp_path: Path, unit: bytes, place: str) -> None:
    file = io.BytesIO()
    Image.fromarray(photo_like(8, 8)).save(file, "JPEG")
    content = file.getvalue()
    start = 20 if place == "after a segment" else content.index(b"\xff\xda")
    rest = b"" if place == "without segments" else content[start:]
    path = tmp_path / "a.jpg"
    path.write_bytes(content[:start] + unit * (110_000 // len(unit)) + rest)
    with pytest.raises(LimitError, match="more than 100 kB between its segments; save it again"):
        read_header(path)
    path.write_bytes(content[:start] + unit * (90_000 // len(unit)) + content[start:])
    assert read_header(path).width == 8


def test_fill_bytes_in_a_scan_are_skipped_at_once() -> None:
    content = b"\xff\xd8\xff\xda\0\2" + b"\xff" * 20_000_000
    started = time.monotonic()
    check_jpeg(content, "a.jpg", 1)
    assert time.monotonic() - started < 2


def test_directories_that_overlap_are_refused(tmp_path: Path) -> None:
    hostile.overlapping_directories(tmp_path / "two.tif", pages=2)
    assert read_header(tmp_path / "two.tif").frames == 2
    hostile.overlapping_directories(tmp_path / "ten.tif", pages=10)
    with pytest.raises(LimitError, match="its tags are larger than the file"):
        read_header(tmp_path / "ten.tif")


@pytest.mark.parametrize("name", ["exif.png", "exif.webp"])
def test_exif_larger_than_itself_is_dropped(
    upscaler: Upscaler, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    hostile.exif_of_the_whole(tmp_path / name)
    list(double_file(upscaler, tmp_path / name, tmp_path / f"x_{name}"))
    assert "dropped its EXIF" in caplog.text


def test_repeated_exif_prefixes_drop_only_the_exif(tmp_path: Path) -> None:
    hostile.exif_that_begins_again(tmp_path / "a.webp")
    header = read_header(tmp_path / "a.webp")
    assert header.metadata.exif == b""
    assert [frame.pixels.shape for frame in read_frames(header)] == [(8, 8, 3)]


def test_a_gif_that_is_cut_between_frames_is_read_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.gif"
    hostile.gif(path, 3)
    read_header(path)
    assert not caplog.records
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\x21\xf9")])
    assert read_header(path).frames == 2
    assert "its end is missing, and perhaps frames" in caplog.text


def test_fewer_frames_than_declared_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    hostile.gif(path, 5)
    header = read_header(path)
    hostile.gif(path, 2)  # as if the file had been replaced
    with pytest.raises(PictureError, match="only 2 of 5 declared frames"):
        list(read_frames(header))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (119, "119 seconds"),
        (120, "2 minutes"),
        (3600, "60 minutes"),
        (7200, "2 hours"),
        (9000, "150 minutes"),
        (86400, "24 hours"),
    ],
)
def test_a_duration_is_exact_enough_to_be_read(seconds: float, words: str) -> None:
    assert duration(seconds) == words
