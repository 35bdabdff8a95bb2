"""Lossy files: estimation of quality and choice of the network."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from support.models import write_tiny_model
from support.pictures import photo_like
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
def test_jpeg_quality_is_estimated(quality: int, gray: bool) -> None:
    file = io.BytesIO()
    Image.fromarray(PHOTO).convert("L" if gray else "RGB").save(file, "JPEG", quality=quality)
    assert lossy.jpeg_quality(Image.open(file)) == pytest.approx(quality, abs=1)


def test_other_formats_have_no_quality(tmp_path: Path) -> None:
    for suffix in (".png", ".webp", ".tif", ".gif"):
        with Image.open(saved(tmp_path / f"photo{suffix}")) as image:
            assert lossy.jpeg_quality(image) is None


@pytest.mark.parametrize(
    ("suffix", "options", "jpeg"),
    [
        (".jpg", {"quality": 75}, True),
        (".jpg", {"quality": 95}, True),
        (".jpg", {"quality": 97}, False),
        (".jpg", {"quality": 99}, False),
        (".png", {}, False),
        (".webp", {"quality": 75}, True),
        (".webp", {"quality": 75, "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}, True),  # in its longer form
        (".webp", {"lossless": True}, False),
        (".webp", {"save_all": True, "append_images": [Image.new("RGB", (40, 30))]}, True),
        (".webp", {"save_all": True, "append_images": [Image.new("RGB", (40, 30))], "lossless": True}, False),
    ],
)
def test_lossy_files_use_the_jpeg_network(
    two_models: Path, tmp_path: Path, suffix: str, options: dict[str, Any], jpeg: bool
) -> None:
    source, target = saved(tmp_path / f"photo{suffix}", **options), tmp_path / "photo_2x.png"
    list(double_file(Upscaler(artifact.read(two_models)), source, target))
    clean_model, jpeg_model = (
        Upscaler(artifact.read(folder)).upscale(read(source)) for folder in (two_models, two_models / "jpegs")
    )
    expected, other = (jpeg_model, clean_model) if jpeg else (clean_model, jpeg_model)
    assert (read(target) == expected).all()
    assert (read(target) != other).any()


def test_the_second_pass_uses_the_clean_image_network(two_models: Path, tmp_path: Path) -> None:
    source, target = saved(tmp_path / "photo.jpg", quality=75), tmp_path / "photo_4x.png"
    upscaler = Upscaler(artifact.read(two_models))
    list(double_file(upscaler, source, target, Options(times=2)))
    assert (read(target) == upscaler.upscale(upscaler.upscale(read(source), jpeg=True))).all()


def test_a_model_without_a_jpeg_network_accepts_jpegs(tiny_model: Path) -> None:
    upscaler = Upscaler(artifact.read(tiny_model))
    assert (upscaler.upscale(PHOTO, jpeg=True) == upscaler.upscale(PHOTO)).all()


def test_the_revision_depends_on_both_networks(two_models: Path, tiny_model: Path) -> None:
    assert artifact.read(two_models).revision != artifact.read(tiny_model).revision


def test_a_broken_or_missing_jpeg_network_is_refused(two_models: Path) -> None:
    weights = two_models / "jpegs" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"model.safetensors in .*jpegs does not match its SHA-256 in config.json"):
        artifact.read(two_models)
    (two_models / "jpegs" / "config.json").unlink()
    with pytest.raises(ModelError, match=r"has no jpegs/config.json"):
        artifact.read(two_models)


def test_a_jpeg_network_of_another_size_is_refused_unwritten(tmp_path: Path) -> None:
    wider = write_tiny_model(tmp_path / "wider", width=5)
    with pytest.raises(ModelError, match="has size 5x1, the clean-image network 4x1"):
        write_tiny_model(tmp_path / "model", jpeg_model=wider)
    assert not (tmp_path / "model").exists()


def test_a_nested_jpeg_network_is_refused_unwritten(two_models: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has a JPEG network itself; give .*jpegs"):
        write_tiny_model(tmp_path / "model", jpeg_model=two_models)
    assert not (tmp_path / "model").exists()
