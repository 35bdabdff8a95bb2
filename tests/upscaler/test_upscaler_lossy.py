"""Lossy files: how strongly they were compressed, and which of a model's networks doubles them."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generated import photo_like, write_tiny_model
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from upscaler import ModelError, Options, Upscaler, double_file
from upscaler.model import artifact
from upscaler.pictures import lossy
from upscaler.pixels import Pixels

PHOTO = photo_like(30, 40)


def saved(path: Path, picture: Pixels = PHOTO, **options: Any) -> Path:
    Image.fromarray(picture).save(path, **options)
    return path


def read(path: Path) -> Pixels:
    with Image.open(path) as image:
        return np.asarray(image)


@given(quality=st.integers(25, 100), gray=st.booleans())
def test_the_quality_is_read_off_the_file(quality: int, gray: bool) -> None:
    file = io.BytesIO()
    Image.fromarray(PHOTO).convert("L" if gray else "RGB").save(file, "JPEG", quality=quality)
    assert lossy.jpeg_quality(Image.open(file)) == pytest.approx(quality, abs=1)


def test_other_formats_have_none(tmp_path: Path) -> None:
    for suffix in (".png", ".webp", ".tif", ".gif"):
        with Image.open(saved(tmp_path / f"photo{suffix}")) as image:
            assert lossy.jpeg_quality(image) is None


@pytest.mark.parametrize(
    ("suffix", "options", "jpeg"),
    [
        (".jpg", {"quality": 75}, True),
        (".jpg", {"quality": 99}, False),
        (".png", {}, False),
        (".webp", {"quality": 75}, True),
        (".webp", {"quality": 75, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}, True),  # in its longer form
        (".webp", {"lossless": True}, False),
        (".webp", {"save_all": True, "append_images": [Image.new("RGB", (40, 30))]}, True),
        (".webp", {"save_all": True, "append_images": [Image.new("RGB", (40, 30))], "lossless": True}, False),
    ],
)
def test_what_lossy_compression_damaged_is_doubled_by_the_model_for_jpegs(
    two_models: Path, tmp_path: Path, suffix: str, options: dict[str, Any], jpeg: bool
) -> None:
    source, target = saved(tmp_path / f"photo{suffix}", **options), tmp_path / "photo_2x.png"
    list(double_file(Upscaler(artifact.read(two_models)), source, target))
    own, jpeg_model = (
        Upscaler(artifact.read(folder)).upscale(read(source)) for folder in (two_models, two_models / "jpegs")
    )
    expected, other = (jpeg_model, own) if jpeg else (own, jpeg_model)
    assert (read(target) == expected).all()
    assert (read(target) != other).any()


def test_what_is_doubled_twice_has_lost_the_traces_of_jpeg(two_models: Path, tmp_path: Path) -> None:
    source, target = saved(tmp_path / "photo.jpg", quality=75), tmp_path / "photo_4x.png"
    upscaler = Upscaler(artifact.read(two_models))
    list(double_file(upscaler, source, target, Options(times=2)))
    assert (read(target) == upscaler.upscale(upscaler.upscale(read(source), jpeg=True))).all()


def test_a_model_without_one_for_jpegs_doubles_them_itself(tiny_model: Path) -> None:
    upscaler = Upscaler(artifact.read(tiny_model))
    assert (upscaler.upscale(PHOTO, jpeg=True) == upscaler.upscale(PHOTO)).all()


def test_the_revision_tells_of_both(two_models: Path, tiny_model: Path) -> None:
    assert artifact.read(two_models).revision != artifact.read(tiny_model).revision


def test_a_model_for_jpegs_that_is_broken_or_missing_is_refused(two_models: Path) -> None:
    weights = two_models / "jpegs" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"model.safetensors in .*jpegs does not match its SHA-256 in config.json"):
        artifact.read(two_models)
    (two_models / "jpegs" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no jpegs/config.json"):
        artifact.read(two_models)


def test_a_model_for_jpegs_of_another_size_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    wider = write_tiny_model(tmp_path / "wider", width=5)
    with pytest.raises(ModelError, match="is 5x1 beside 4x1"):
        write_tiny_model(tmp_path / "model", jpeg_model=wider)
    assert not (tmp_path / "model").exists()


def test_a_model_for_jpegs_that_holds_one_itself_is_refused_and_nothing_is_written(
    two_models: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"has a JPEG network itself; give .*jpegs"):
        write_tiny_model(tmp_path / "model", jpeg_model=two_models)
    assert not (tmp_path / "model").exists()
