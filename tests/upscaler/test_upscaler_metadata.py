"""Metadata: it never affects pixels, and is edited in linear time."""

import io
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from support import hostile_pictures as hostile
from support import odd_pictures
from support.pictures import photo_like
from upscaler import Options, Upscaler, double_file
from upscaler.pictures import xmp
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.metadata import Metadata, corrected
from upscaler.pictures.reading import read_header

GENEROUS = 20.0  # seconds; a former regular expression took hours for 1 MB


@pytest.mark.parametrize("suffix", [".webp", ".png"])
@pytest.mark.parametrize("blanks", [200_000, 2_000_000])
def test_blanks_before_a_location_take_linear_time(
    upscaler: Upscaler, tmp_path: Path, suffix: str, blanks: int
) -> None:
    source, target = tmp_path / f"in{suffix}", tmp_path / f"x{suffix}"
    hostile.blank_xmp(source, blanks)
    started = time.monotonic()
    list(double_file(upscaler, source, target, Options(remove_location=True)))
    assert time.monotonic() - started < GENEROUS
    assert b"GPS" not in target.read_bytes()


@pytest.mark.parametrize(
    "packet",
    [
        b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
        b"<a" + b" " * xmp.LONGEST + b"/>",
        b"no XML",
    ],
)
def test_uneditable_xmp_is_dropped_with_a_warning(packet: bytes, caplog: pytest.LogCaptureFixture) -> None:
    metadata = corrected(Metadata(xmp=packet), Path("photo.jpg"), Geometry(1, (4, 3), (8, 6)), remove_location=False)
    assert metadata == Metadata()
    assert "photo.jpg: dropped its XMP" in caplog.text


def camera_exif() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Orientation], exif[ExifTags.Base.XResolution] = "Cam", 1, 72.0
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[ExifTags.Base.DateTimeOriginal], details[ExifTags.Base.ExifImageWidth] = "2020:01:02 03:04:05", 12
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif.tobytes()


EXIF = camera_exif()


@pytest.mark.slow
@settings(max_examples=100)
@given(st.dictionaries(st.integers(6, len(EXIF) - 1), st.integers(0, 255), min_size=1, max_size=6), st.booleans())
def test_broken_exif_does_not_affect_pixels(
    upscaler: Upscaler, tmp_path_factory: pytest.TempPathFactory, changes: dict[int, int], remove_location: bool
) -> None:
    exif, folder = bytearray(EXIF), tmp_path_factory.getbasetemp()
    for place, value in changes.items():
        exif[place] = value
    flat = Image.new("RGB", (12, 12), (1, 2, 3))
    for suffix in (".jpg", ".tif"):
        flat.save(folder / "exif.png", exif=bytes(exif))
        target = folder / f"exif_2x{suffix}"
        list(double_file(upscaler, folder / "exif.png", target, Options(remove_location=remove_location)))
        with Image.open(target) as image:
            image.load()
            assert {image.width, image.height} == {24}


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
@pytest.mark.parametrize("kind", ["exif", "xmp", "icc_profile"])
def test_long_and_broken_metadata_does_not_affect_pixels(
    upscaler: Upscaler, tmp_path: Path, suffix: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "x" * 100_000
    content: Any = {"exif": exif, "xmp": b"<a>" + b"x" * 100_000 + b"</a>", "icc_profile": b"x" * 7_000_000}[kind]
    Image.fromarray(photo_like(12, 9)).save(tmp_path / "in.webp", lossless=True, **{kind: content})
    target = tmp_path / f"x{suffix}"
    list(double_file(upscaler, tmp_path / "in.webp", target))
    assert np.asarray(Image.open(io.BytesIO(target.read_bytes()))).shape == (24, 18, 3)
    assert ("dropped its" in caplog.text) == (suffix == ".jpg" or kind == "icc_profile")


@pytest.mark.parametrize("content", [odd_pictures.saved("JPEG"), odd_pictures.gain_map()], ids=["alone", "beside XMP"])
def test_a_gain_map_of_iso_21496_is_said_once(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    segment = b"\xff\xe2\x00\x22urn:iso:std:iso:ts:21496:-1\0" + bytes(4)
    path = tmp_path / "a.jpg"
    path.write_bytes(content[:2] + segment + content[2:])
    corrected(read_header(path).metadata, path, Geometry(1, (60, 40), (120, 80)), remove_location=False)
    assert caplog.messages.count(f"{path}: its HDR gain map is left out") == 1
