"""Decoding of web pictures: unusable ones are counted, the others come out upright and in sRGB."""

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from feature_pipeline.manifest import Attribution, Settings
from feature_pipeline.pictures import UnusableError, decode
from feature_pipeline.samples import make
from feature_pipeline.tar import File
from support.parts import photo

SETTINGS = Settings(part="train_0", images=None, tiles_per_image=4, pictures_per_shard=10)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def opened() -> Image.Image:
    return Image.open(io.BytesIO(photo(1))).convert("RGB")


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_jpegs_of_all_colours_become_rgb(mode: str) -> None:
    decoded = decode(encoded(opened().convert(mode), quality=95))
    assert decoded.shape == (300, 600, 3)
    assert decoded.dtype == np.uint8
    expected = np.asarray(opened().convert(mode).convert("RGB"), float)
    assert abs(decoded - expected).mean() < 4


def test_sixteen_bits_keep_their_tones() -> None:
    gray = np.asarray(opened().convert("L"))
    decoded = decode(encoded(Image.fromarray(gray.astype(np.uint16) * 257), "PNG"))
    assert (decoded == gray[..., None]).all()


def test_exif_turns_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise
    turned = decode(encoded(opened(), "PNG", exif=exif))
    assert (turned == np.rot90(np.asarray(opened()), -1)).all()


def test_a_profile_is_converted_and_a_broken_one_says_nothing() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    plain = decode(encoded(opened(), "PNG"))
    for profile in (b"no profile", lab.tobytes(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()):
        assert abs(decode(encoded(opened(), "PNG", icc_profile=profile)).astype(int) - plain).max() <= 1


def bomb() -> bytes:
    """Return a PNG of a few bytes that claims 60,000 pixels a side."""
    content = bytearray(encoded(Image.new("L", (1, 1)), "PNG"))
    content[16:24] = (60_000).to_bytes(4) * 2
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4)
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a picture"),
        (b"<html>", "not a picture"),
        (photo(1)[:3000], "broken"),
        (photo(1)[:100], "broken"),
        (bomb(), "too large"),
        (None, "too large"),
        (encoded(Image.new("RGB", (1, 1))), "too small"),
        (encoded(opened().crop((0, 0, 256, 100))), "too small"),
        (encoded(Image.new("RGB", (600, 300), "gray")), "no tile worth taking"),
    ],
    ids=["empty", "html", "truncated", "header only", "bomb", "long", "1x1", "256x100", "flat"],
)
def test_an_unusable_picture_is_counted(content: bytes | None, reason: str) -> None:
    record, samples = make(File("a.jpg", 1, content), SETTINGS)
    assert (record.skipped, record.tiles, samples) == (reason, 0, ())


def test_noise_in_a_file_breaks_no_worker() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        content = bytearray(photo(1))
        for position in rng.integers(0, 1500, 8):
            content[position] = rng.integers(256)
        try:
            assert decode(bytes(content)).shape[2] == 3
        except UnusableError as error:
            assert str(error) in {"broken", "not a picture", "too large"}


@pytest.mark.parametrize(("unlisted", "skipped"), [("keep", None), ("drop", "not in the list")])
def test_a_picture_that_the_list_lacks(unlisted: Any, skipped: str | None) -> None:
    settings = SETTINGS.model_copy(update={"metadata_sha256": ("0",), "unlisted": unlisted})
    record, _ = make(File("a.jpg", 1, photo(1)), settings)
    assert (record.unlisted, record.skipped) == (True, skipped)
    record, samples = make(File("a.jpg", 1, photo(1)), settings, Attribution(license="CC BY 2.0", author="Ann"))
    assert (record.unlisted, record.skipped) == (False, None)
    assert {(sample.info.license, sample.info.author) for sample in samples} == {("CC BY 2.0", "Ann")}
