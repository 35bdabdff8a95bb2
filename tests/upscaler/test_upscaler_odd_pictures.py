"""Pictures of the kinds that other programs got wrong, each with its right result."""

import logging
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.odd_pictures import CAPTION, HEIGHT, ODD, PHOTO, REFUSED, WIDTH
from upscaler import Options, PictureError, Upscaler, double_file
from upscaler.pictures.header import Header
from upscaler.pictures.reading import read_frames, read_header, read_rgb8
from upscaler.pixels import Pixels, to_8_bits

UPSCALED = sorted(ODD.keys() - REFUSED.keys())
TURNED = {"jpeg_samsung_exposure_bias.jpg", "openimages_odd_exif.jpg"}
HDR = "png_cicp_pq.png"  # kept from PNG to PNG, refused elsewhere

Double = Callable[..., Path]


@pytest.fixture(scope="module")
def fast() -> Upscaler:
    """The model that comes with the program: its pictures look like their sources."""
    return Upscaler.load("fast")


@pytest.fixture
def double(fast: Upscaler, tmp_path: Path) -> Double:
    """Return a function that upscales the odd picture of a name, to another format if a suffix is given."""

    def doubled(name: str, suffix: str = "", remove_location: bool = False) -> Path:
        source = tmp_path / name
        source.write_bytes(ODD[name]())
        target = tmp_path / f"doubled{suffix or source.suffix}"
        list(double_file(fast, source, target, Options(remove_location=remove_location)))
        return target

    return doubled


def halved(pixels: Pixels) -> Pixels:
    """Average squares of two pixels a side, as 8 bits."""
    small = to_8_bits(pixels)[:, :, :3].reshape(pixels.shape[0] // 2, 2, pixels.shape[1] // 2, 2, -1)
    averaged: Pixels = small.mean(axis=(1, 3)).round().astype(np.uint8)
    return averaged


def pages(path: Path) -> tuple[Header, list[Pixels]]:
    header = read_header(path)
    return header, [frame.pixels for frame in read_frames(header)]


@pytest.mark.parametrize("name", [name for name in UPSCALED if name != HDR])
def test_it_comes_out_as_it_was_twice_as_large(double: Double, tmp_path: Path, name: str) -> None:
    after = read_rgb8(double(name))
    before = read_rgb8(tmp_path / name)
    assert before.shape == ((WIDTH, HEIGHT, 3) if name in TURNED else (HEIGHT, WIDTH, 3))
    assert np.abs(halved(after).astype(float) - before).mean() < 5


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_name_and_leaves_nothing(double: Double, tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureError, match=REFUSED[name]):
        double(name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_animations_of_16_bits_become_8_bits_with_a_word(double: Double, caplog: pytest.LogCaptureFixture) -> None:
    header, frames = pages(double("apng_16bit.png"))
    assert [page.depth for page in header.pages] == [8, 8]
    assert len(frames) == 2
    assert "16 bits" in caplog.text


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif"])
def test_a_still_picture_takes_no_time_from_the_animation(double: Double, suffix: str) -> None:
    header = read_header(double("apng_default_image_times.png", suffix))
    times = [frame.milliseconds for frame in read_frames(header)]
    assert times[-3:] == [40, 50, 60]
    assert header.still_first == (suffix == ".png")
    assert len(times) == (4 if suffix == ".png" else 3)


def test_a_map_keeps_its_scale(double: Double) -> None:
    with Image.open(double("geotiff_pixel_scale.tif")) as image:
        assert image.tag_v2[33550] == (5, 5, 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_places_go_from_every_namespace(double: Double, suffix: str) -> None:
    content = double("jpeg_dji_location_in_xmp.jpg", suffix, remove_location=True).read_bytes()
    assert b"48.1" not in content
    assert b"Bozen" not in content
    assert b"48.1" in read_header(double("jpeg_dji_location_in_xmp.jpg", suffix)).metadata.xmp


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_text_keeps_its_bytes(double: Double, suffix: str) -> None:
    assert "José Müller".encode() in double("jpeg_exif_text_utf8.jpg", suffix).read_bytes()


def test_captions_and_colour_spaces_stay_and_places_in_the_picture_follow(double: Double) -> None:
    content = double("jpeg_iptc_interop_r03.jpg").read_bytes()
    assert CAPTION in content
    assert b"R03\0" in content
    assert struct.pack("<HHIHH", 37396, 3, 2, 20, 40) in content


def test_a_lost_gain_map_is_said_and_no_longer_claimed(double: Double, caplog: pytest.LogCaptureFixture) -> None:
    assert b"hdrgm:" not in double("jpeg_ultra_hdr_gain_map.jpg").read_bytes()
    assert "its HDR gain map is left out" in caplog.text


def test_a_profile_with_a_wrong_checksum_costs_itself(double: Double, caplog: pytest.LogCaptureFixture) -> None:
    header = read_header(double("png_bad_crc_in_iccp.png"))
    assert not header.metadata.profile
    assert "dropped" in caplog.text


def test_hdr_keeps_its_tag(double: Double) -> None:
    assert b"cICP\x09\x10\0\1" in double(HDR).read_bytes()


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tif", ".avif"])
def test_hdr_is_never_shown_as_srgb(double: Double, tmp_path: Path, suffix: str) -> None:
    with pytest.raises(PictureError, match="HDR"):
        double(HDR, suffix)


def test_parameters_stay(double: Double) -> None:
    assert b"parameters\0a bird, steps 20" in double("png_text_parameters.png").read_bytes()


def test_xmp_that_a_format_cannot_hold_costs_itself(double: Double, caplog: pytest.LogCaptureFixture) -> None:
    assert read_header(double("png_xmp_70kB.png", ".jpg")).metadata.xmp == b""
    assert "dropped its XMP, which is too long for a JPEG" in caplog.text


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_infrared_is_not_alpha(double: Double, caplog: pytest.LogCaptureFixture, suffix: str) -> None:
    header, _ = pages(double("tiff_16bit_rgb_infrared.tif", suffix))
    assert (header.pages[0].channels, header.pages[0].depth) == (3, 16)
    assert "channel" in caplog.text


def test_each_page_is_turned_by_its_own_orientation(double: Double) -> None:
    _, (first, second) = pages(double("tiff_16bit_second_page_upside_down.tif"))
    gray = PHOTO[:, :, :1].astype(float)
    for pixels, expected in ((first, gray), (second, gray[::-1, ::-1])):
        assert np.abs(halved(pixels) - expected).mean() < 5


def test_each_page_has_its_own_depth(double: Double) -> None:
    header, frames = pages(double("tiff_16bit_then_8bit_page.tif"))
    assert [page.depth for page in header.pages] == [16, 8]
    for pixels in frames:
        assert np.abs(halved(pixels) - PHOTO[:, :, :1].astype(float)).mean() < 5


def test_each_page_has_its_own_channels(double: Double) -> None:
    target = double("tiff_rgb_then_gray_page.tif")
    header, _ = pages(target)
    assert [page.channels for page in header.pages] == [3, 1]
    assert b"Camera\0" in target.read_bytes()


@pytest.mark.parametrize("suffix", [".tif", ".jpg", ".png"])
def test_layers_of_the_small_picture_go(double: Double, caplog: pytest.LogCaptureFixture, suffix: str) -> None:
    assert bytes(100_000) not in double("tiff_photoshop_layers_37724.tif", suffix).read_bytes()
    assert "dropped its Photoshop layers" in caplog.text


def test_without_losses_stays_without_losses(double: Double, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    content = double("webp_lossless.webp").read_bytes()
    assert b"VP8L" in content[:64]
