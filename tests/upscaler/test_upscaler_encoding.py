"""Results encoded while they are upscaled: the same bytes as afterwards, and nothing is left of a stopped one."""

import gc
import threading
import weakref
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike
from PIL import Image

from support.pictures import photo_like
from upscaler import Upscaler, double_file
from upscaler.config import Options
from upscaler.encoding import Encoding
from upscaler.pictures import vips_rows
from upscaler.pictures.rows import Rows
from upscaler.pictures.vips_rows import image_of_rows
from upscaler.pixels import Pixels

SUFFIXES = [".jpg", ".png", ".tif"]


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "writing"]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A photo of several windows."""
    path = tmp_path / "large.png"
    Image.fromarray(photo_like(150, 70)).save(path)
    return path


@given(
    size=st.tuples(st.integers(1, 200), st.integers(1, 40)),
    channels=st.sampled_from([1, 3]),
    sample=st.sampled_from([np.uint8, np.uint16]),
    turned=st.booleans(),
    steps=st.lists(st.integers(0, 200), max_size=6),
    strip=st.integers(1, 10_000),
)
def test_an_encoder_sees_each_row_when_it_is_final(
    size: tuple[int, int], channels: int, sample: DTypeLike, turned: bool, steps: list[int], strip: int
) -> None:
    height, width = size
    expected = photo_like(height, width)[:, :, :channels].astype(sample) * np.array(7, sample)
    filled: Pixels = np.zeros_like(expected, order="F" if turned else "C")
    rows = Rows()

    def fill() -> None:
        done = 0
        for end in sorted({min(step, height) for step in steps} | {height}):
            filled[done:end] = expected[done:end]
            rows.advance(end)
            done = end

    thread = threading.Thread(target=fill)
    with patch.object(vips_rows, "_STRIP", strip):
        image = image_of_rows(filled, rows)
    thread.start()
    seen = np.frombuffer(image.write_to_memory(), sample).reshape(expected.shape)
    thread.join()
    np.testing.assert_array_equal(seen, expected)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_result_is_freed_when_it_is_written(
    upscaler: Upscaler, large: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    results = []

    def see(header: object, source: Pixels, doubled: Pixels, rows: int) -> None:
        results.append(weakref.ref(doubled))

    gc.disable()
    try:
        list(double_file(upscaler, large, large.with_name(f"double{suffix}"), watch=see))
        assert all(result() is None for result in results)
    finally:
        gc.enable()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("times", [1, 2])
def test_it_writes_the_bytes_that_it_would_write_afterwards(
    upscaler: Upscaler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, mode: str, times: int
) -> None:
    pixels = photo_like(90, 40)
    image = Image.fromarray(pixels[:, :, 0].astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(pixels)
    source, written = tmp_path / "a.png", []
    (image if mode == "I;16" else image.convert(mode)).save(source, dpi=(300, 300), exif=b"Exif\0\0II*\0\x08\0\0\0\0\0")
    for see in (Encoding.see, lambda *_: None):
        monkeypatch.setattr(Encoding, "see", see)
        list(double_file(upscaler, source, tmp_path / f"double{suffix}", Options(times=times)))
        written.append((tmp_path / f"double{suffix}").read_bytes())
    assert written[0] == written[1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_it_begins_before_the_last_rows_are_there(upscaler: Upscaler, large: Path, suffix: str) -> None:
    target = large.with_name(f"double{suffix}")
    for progress in double_file(upscaler, large, target):
        assert len(writers()) == 1 or progress.share == 1
    assert target.exists()
    assert not writers()


def test_several_pages_are_encoded_afterwards(upscaler: Upscaler, tmp_path: Path) -> None:
    pages = [Image.fromarray(photo_like(60, 40, seed)) for seed in (1, 2)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    for progress in double_file(upscaler, tmp_path / "pages.tif", tmp_path / "double.tif"):
        assert progress.share == 1 or not writers()
    with Image.open(tmp_path / "double.tif") as doubled:
        assert doubled.n_frames == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_stopped_one_ends_its_thread(upscaler: Upscaler, large: Path, suffix: str) -> None:
    job = double_file(upscaler, large, large.with_name(f"double{suffix}"))
    next(job)
    assert len(writers()) == 1
    job.close()
    assert not writers()
    assert [path.name for path in large.parent.iterdir()] == [large.name]


def test_one_that_fails_ends_the_job_at_once(upscaler: Upscaler, large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("upscaler.encoding.write", write)
    job = double_file(upscaler, large, large.with_name("double.png"))
    with pytest.raises(OSError, match="no space left"):
        for progress in job:
            assert progress.share < 1
            for thread in writers():
                thread.join()
    assert [path.name for path in large.parent.iterdir()] == [large.name]
