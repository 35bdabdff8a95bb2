"""Depth and losslessness: kept, or said."""

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from support.apngs import Drawing, apng
from support.colour_reference import gray_profile
from support.odd_pictures import XMP, apng_of_16_bits, chunk
from support.pictures import photo_like
from support.tiff_blocks import block
from upscaler.errors import PictureError
from upscaler.pictures.formats import format_of
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.header import Header
from upscaler.pictures.icc_profiles import Curve
from upscaler.pictures.jpeg_2000 import boxes
from upscaler.pictures.metadata import Metadata, corrected
from upscaler.pictures.reading import read_frames, read_header, read_rgb8
from upscaler.pictures.vips import pyvips
from upscaler.pictures.writing import write
from upscaler.pixels import Pixels, to_8_bits

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PHOTO = photo_like(40, 60)
SIZE = 60, 40
RAMP = np.add.outer(np.arange(40) * 500, np.arange(60) * 700)
DEEP = np.dstack([RAMP, RAMP + 1000, RAMP + 2000]).astype(np.uint16)
SPLIT = np.dstack([DEEP, np.where(np.arange(60) < 30, 65_535, 0)[np.newaxis].repeat(40, 0)]).astype(np.uint16)


def deep_file(path: Path, pixels: Pixels = DEEP, **options: Any) -> Path:
    height, width, channels = pixels.shape
    kind = "grey16" if channels < 3 else "rgb16"
    image = pyvips.Image.new_from_memory(pixels.tobytes(), width, height, channels, "ushort").copy(interpretation=kind)
    image.write_to_file(str(path), **options)
    return path


def converted(source: Path, suffix: str, quality: int = 95, metadata: Metadata | None = None) -> tuple[Header, Pixels]:
    """Read a picture and write it in another format, not upscaled; return the header and the pixels of the result."""
    header, target = read_header(source), source.with_name(f"converted{suffix}")
    with target.open("w+b") as file:
        kept = corrected(metadata or header.metadata, source, Geometry(1, SIZE, SIZE), remove_location=False)
        write(file, format_of(target), list(read_frames(header)), header, kept, quality)
    result = read_header(target)
    return result, next(read_frames(result)).pixels


@pytest.mark.slow
@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("pixels", [DEEP, SPLIT, DEEP[:, :, :1]], ids=["colour", "transparent", "gray"])
@pytest.mark.parametrize("suffix", [".avif", ".png", ".tif"])
def test_a_deep_avif_stays_deep(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, bits: int, pixels: Pixels, suffix: str
) -> None:
    source = deep_file(tmp_path / "deep.avif", pixels, bitdepth=bits, Q=100, subsample_mode="off")
    header, result = converted(source, suffix, quality=100)
    assert header.bits == (bits if suffix == ".avif" else 16)
    assert len(np.unique(result[:, :, 0])) > 256
    assert result.shape[2] == (4 if pixels is SPLIT else 3)
    assert np.abs(result[:, :, 0].astype(float) - pixels[:, :, 0]).mean() < 3 * 257
    assert not caplog.records
    if pixels is SPLIT:
        assert set(np.unique(result[:, :, 3])) == {0, 65_535}


@pytest.mark.parametrize("bits", [10, 12])
def test_white_and_black_of_a_deep_avif_are_white_and_black(tmp_path: Path, bits: int) -> None:
    halves = np.where(np.arange(64) < 32, 0, 65_535)[np.newaxis, :, np.newaxis].repeat(32, 0).repeat(3, 2)
    source = deep_file(tmp_path / "deep.avif", halves.astype(np.uint16), bitdepth=bits, lossless=True)
    assert (converted(source, ".png")[1] == halves).all()
    assert (converted(source, ".avif")[1] == halves).all()


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=5, max_size=3000))
def test_metadata_of_a_deep_avif_are_kept_byte_for_byte(tmp_path: Path, content: bytes) -> None:
    exif = block([(305, 2, len(content), content)])
    header, _ = converted(
        deep_file(tmp_path / "a.png"), ".avif", metadata=Metadata(exif, XMP.format("").encode(), profile=SRGB)
    )
    assert exif in header.path.read_bytes()
    assert header.metadata.exif.removeprefix(b"Exif\0\0").startswith(exif)
    assert b"rdf:RDF" in header.metadata.xmp
    assert header.metadata.profile == SRGB


def test_a_deep_avif_without_metadata_gets_none(tmp_path: Path) -> None:
    header, _ = converted(deep_file(tmp_path / "a.png", keep=0), ".avif")
    assert not header.metadata.exif
    assert b"Exif" not in header.path.read_bytes()


def test_a_turned_deep_avif_is_turned_once(tmp_path: Path) -> None:
    image = pyvips.Image.new_from_array(np.where(RAMP < 20_000, 0, 65_535).astype(np.uint16))
    image = image.bandjoin([image, image]).copy(interpretation="rgb16")
    upright = tmp_path / "upright.avif"
    image.heifsave(str(upright), bitdepth=10, compression="av1")
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    image.heifsave(str(tmp_path / "turned.avif"), bitdepth=10, compression="av1")
    header = read_header(tmp_path / "turned.avif")
    (frame,) = read_frames(header)
    assert (header.width, header.height) == frame.pixels.shape[1::-1] == SIZE[::-1]
    assert (frame.pixels == np.rot90(next(read_frames(read_header(upright))).pixels, -1)).all()


def avif(bits: int, orientation: int) -> bytes:
    if bits == 8:
        exif, file = Image.Exif(), io.BytesIO()
        exif[0x0112] = orientation
        Image.fromarray(PHOTO).save(file, "AVIF", quality=100, subsampling="4:4:4", exif=exif)
        return file.getvalue()
    image = pyvips.Image.new_from_array(PHOTO.astype(np.uint16) * 257).copy(interpretation="rgb16").copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    content: bytes = image.heifsave_buffer(compression="av1", bitdepth=bits, Q=100, subsample_mode="off")
    return content


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def cropped(content: bytes, left: int, top: int, width: int, height: int) -> bytes:
    """Return an AVIF that shows a part; the boxes that describe it stand at its end, where they move no pixels."""
    centre = 2 * left + width - SIZE[0], 2, 2 * top + height - SIZE[1], 2  # from that of all pixels, as fractions
    crop = box(b"clap", struct.pack(">4I4i", width, 1, height, 1, *centre))
    meta = next(part for part in boxes(content, 0, len(content)) if part.kind == b"meta")
    described = next(part for part in boxes(content, meta.start + 4, meta.end) if part.kind == b"iprp")
    found, table = boxes(content, described.start, described.end)
    number = 1 + len(list(boxes(content, found.start, found.end)))
    changed = bytearray(content[table.start : table.end])
    changed[10] += 1  # of the first picture
    changed.insert(11, 0x80 | number)
    properties = box(b"ipco", content[found.start : found.end] + crop) + box(b"ipma", bytes(changed))
    before, after = content[meta.start : described.start - 8], content[described.end : meta.end]
    description = before + box(b"iprp", properties) + after
    return content[: meta.start - 4] + b"free" + content[meta.start :] + box(b"meta", description)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("orientation", [1, 6])
def test_an_avif_is_cropped_to_what_it_shows(tmp_path: Path, bits: int, orientation: int) -> None:
    source = tmp_path / "cropped.avif"
    source.write_bytes(cropped(avif(bits, orientation), 7, 2, 51, 30))
    expected = PHOTO[2:32, 7:58] if orientation == 1 else np.rot90(PHOTO[2:32, 7:58], -1)
    header = read_header(source)
    (frame,) = read_frames(header)
    assert (header.height, header.width) == frame.pixels.shape[:2] == expected.shape[:2]
    assert np.abs(to_8_bits(frame.pixels).astype(int) - expected).mean() < 2
    assert np.abs(read_rgb8(source).astype(int) - expected).mean() < 2


@pytest.mark.parametrize("bits", [8, 10])
def test_an_avif_that_shows_hardly_any_of_its_pixels_is_refused(tmp_path: Path, bits: int) -> None:
    source = tmp_path / "cropped.avif"
    source.write_bytes(cropped(avif(bits, 1), 7, 2, 39, 30))
    for read in (read_header, read_rgb8):
        with pytest.raises(PictureError, match="shows less than half of its pixels; export it cropped"):
            read(source)


@pytest.mark.parametrize("suffix", [".png", ".avif"])
def test_a_deep_picture_of_another_size_than_its_header_is_refused(tmp_path: Path, suffix: str) -> None:
    options: dict[str, Any] = {"bitdepth": 10} if suffix == ".avif" else {}
    header = read_header(deep_file(tmp_path / f"deep{suffix}", **options))
    other = replace(header, pages=(replace(header.pages[0], width=59),))
    with pytest.raises(PictureError, match="has another size than the header declares; export it again"):
        next(read_frames(other))


def test_16_bits_become_10_in_an_avif_and_it_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    header, _ = converted(deep_file(tmp_path / "deep.png"), ".avif")
    assert header.bits == 10
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'deep.png'}: its 16 bits per channel became 10, because AVIF is written with no more"
    ]


def test_an_animation_of_16_bits_becomes_one_of_8_and_it_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "moving.png"
    source.write_bytes(apng_of_16_bits())
    header, pixels = converted(source, ".png")
    assert header.frames == 2
    assert pixels.dtype == np.uint8
    assert "its 16 bits per channel became 8, because its PNG is decoded with no more" in caplog.text


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("frames", [1, 3])
def test_a_lossless_webp_stays_lossless(tmp_path: Path, mode: str, frames: int) -> None:
    images = [Image.fromarray(photo_like(40, 60, seed)).convert(mode) for seed in range(frames)]
    source = tmp_path / "lossless.webp"
    images[0].save(source, lossless=True, save_all=frames > 1, append_images=images[1:], duration=100)
    before = [frame.pixels for frame in read_frames(read_header(source))]
    header, _ = converted(source, ".webp")
    assert header.lossless
    for frame, expected in zip(read_frames(header), before, strict=True):
        assert (frame.pixels[:, :, :3] == expected[:, :, :3]).all()


def test_a_lossless_avif_stays_lossless(tmp_path: Path) -> None:
    source = tmp_path / "lossless.avif"
    pyvips.Image.new_from_array(PHOTO).copy(interpretation="srgb").heifsave(
        str(source), lossless=True, compression="av1"
    )
    header, pixels = converted(source, ".avif")
    assert header.lossless
    assert (pixels == PHOTO).all()


@pytest.mark.parametrize("suffix", [".webp", ".avif"])
def test_a_lower_quality_is_what_was_asked_for(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"lossless{suffix}"
    pyvips.Image.new_from_array(PHOTO).copy(interpretation="srgb").write_to_file(str(source), lossless=True)
    assert read_header(source).lossless
    assert not converted(source, suffix, quality=94)[0].lossless


@pytest.mark.parametrize("options", [{"quality": 90}, {"quality": 90, "save_all": True}])
def test_a_lossy_webp_or_png_is_written_at_the_quality(tmp_path: Path, options: dict[str, Any]) -> None:
    images = [Image.fromarray(photo_like(40, 60, seed)) for seed in range(3)]
    source = tmp_path / "lossy.webp"
    images[0].save(source, append_images=images[1:], **options)
    assert not converted(source, ".webp")[0].lossless
    plain = tmp_path / "plain.png"
    images[0].save(plain)
    assert not converted(plain, ".webp")[0].lossless


def test_an_animation_with_one_lossy_frame_is_lossy(tmp_path: Path) -> None:
    content = io.BytesIO()
    images = [Image.fromarray(photo_like(40, 60)), Image.new("RGB", (60, 40), (255, 0, 0))]
    images[0].save(content, "WEBP", save_all=True, append_images=images[1:], allow_mixed=True, quality=50)
    source = tmp_path / "mixed.webp"
    source.write_bytes(content.getvalue())
    header = read_header(source)
    assert header.jpeg
    assert not header.lossless


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_a_full_disk_is_no_fault_of_the_picture(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / "source.png"
    Image.fromarray(photo_like(12, 16)).save(source)
    header = read_header(source)
    with Path("/dev/full").open("r+b", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        write(full, format_of(Path(f"x{suffix}")), list(read_frames(header)), header, header.metadata, 95)


@pytest.mark.parametrize("frames", [1, 2])
def test_gray_of_16_bits_with_alpha_is_gray(tmp_path: Path, caplog: pytest.LogCaptureFixture, frames: int) -> None:
    source, profile = tmp_path / "gray.png", gray_profile(Curve(1.8))
    drawings = [Drawing(SPLIT[:, :, [channel, 3]]) for channel in range(frames)]
    content = apng(SIZE, drawings, chunk(b"iCCP", b"p\0\0" + zlib.compress(profile)))
    source.write_bytes(content if frames > 1 else content.replace(chunk(b"acTL", struct.pack(">II", 1, 0)), b""))
    for header in (read_header(source), converted(source, ".png")[0]):
        assert [page.channels for page in header.pages] == [2] * frames
        assert [frame.pixels.shape[2] for frame in read_frames(header)] == [2] * frames
        assert header.metadata.profile == profile
    assert not any("profile" in record.message for record in caplog.records)
