"""JPEG 2000: pixels, metadata and bounds."""

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from support.pictures import photo_like
from support.tiff_blocks import block, shorts
from upscaler.errors import LimitError, PictureError
from upscaler.pictures import jpeg_2000
from upscaler.pictures.formats import BY_SUFFIX, JPEG_2000, format_of
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.header import Header
from upscaler.pictures.metadata import Metadata, corrected
from upscaler.pictures.reading import read_frames, read_header, read_rgb8
from upscaler.pictures.writing import write
from upscaler.pixels import Pixels

PHOTO = photo_like(40, 60)
SIZE = 60, 40
SUFFIXES = [suffix for suffix, format in BY_SUFFIX.items() if format is JPEG_2000]
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def saved(pixels: Pixels = PHOTO, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).save(file, "JPEG2000", **options)
    return file.getvalue()


def stream(**options: Any) -> bytearray:
    return bytearray(saved(no_jp2=True, **options))


def with_depths(content: bytes, *depths: int) -> bytes:
    """Return a JPEG 2000 whose header says other bits for the components of its code stream."""
    changed = bytearray(content)
    place = changed.index(b"\xff\x51") + 40
    changed[place : place + 3 * len(depths) : 3] = bytes(depth - 1 for depth in depths)
    return bytes(changed)


def converted(content: bytes, target: Path, metadata: Metadata | None = None, quality: int = 95) -> Header:
    """Read a JPEG 2000 and write it again, not upscaled; return the header of the result."""
    source = target.with_name("source.jp2")
    source.write_bytes(content)
    header = read_header(source)
    with target.open("w+b") as file:
        kept = corrected(metadata or header.metadata, source, Geometry(1, SIZE, SIZE), remove_location=False)
        write(file, format_of(target), list(read_frames(header)), header, kept, quality)
    return read_header(target)


def pixels_of(header: Header) -> Pixels:
    (frame,) = read_frames(header)
    return frame.pixels


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_one_without_losses_stays_so(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = np.dstack([PHOTO, PHOTO[:, :, :1]])[:, :, -channels:] if channels != 3 else PHOTO
    header = converted(saved(pixels), tmp_path / f"target{suffix}")
    assert header.lossless
    assert pixels_of(header).shape == (40, 60, channels)
    assert (pixels_of(header) == pixels).all()


@pytest.mark.parametrize(("quality", "most"), [(95, 1.5), (70, 6)])
def test_others_are_written_at_the_quality(tmp_path: Path, quality: int, most: float) -> None:
    header = converted(saved(irreversible=True), tmp_path / "target.jp2", quality=quality)
    error = np.abs(pixels_of(header).astype(float) - PHOTO).mean()
    assert not header.lossless
    assert most / 6 < error < most


def test_metadata_are_kept_byte_for_byte(tmp_path: Path) -> None:
    exif = block([(305, 2, 7, b"Camera\0")])
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
    metadata = Metadata(exif=exif, xmp=xmp, profile=PROFILE)
    header = converted(saved(), tmp_path / "target.jp2", metadata)
    assert header.metadata.exif == exif
    assert header.metadata.xmp
    assert header.metadata.profile == PROFILE
    again = converted(header.path.read_bytes(), tmp_path / "again.jp2", header.metadata)
    assert again.metadata == header.metadata
    assert (pixels_of(again) == PHOTO).all()


def test_it_is_turned_by_its_exif(tmp_path: Path) -> None:
    path = tmp_path / "turned.jp2"
    path.write_bytes(jpeg_2000.with_metadata(saved(), block([(274, 3, 1, shorts(6))]), b"", b""))
    header = read_header(path)
    assert (header.width, header.height) == SIZE[::-1]
    assert (pixels_of(header) == np.rot90(PHOTO, -1)).all()


def test_16_bits_become_8_rounded_and_it_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    deep = np.linspace(0, 65_535, 40 * 60).reshape(40, 60).astype(np.uint16)
    header = converted(saved(deep[:, :, np.newaxis]), tmp_path / "target.png")
    assert np.abs(pixels_of(header)[:, :, 0].astype(float) - deep / 257).max() <= 0.5
    assert "its 16 bits per channel became 8, because its JPEG 2000 is decoded with no more" in caplog.text
    assert read_rgb8(saved(deep[:, :, np.newaxis]))[-1, -1].tolist() == [255] * 3


@pytest.mark.parametrize(
    "depths", [(10, 10, 10), (16, 16, 16), (12, 12), (8, 8, 8, 16), (9,)], ids=lambda depths: "-".join(map(str, depths))
)
def test_more_bits_that_would_wrap_are_refused(tmp_path: Path, depths: tuple[int, ...]) -> None:
    pixels = np.dstack([PHOTO, PHOTO[:, :, :1]])[:, :, : len(depths)]
    path = tmp_path / "deep.jp2"
    path.write_bytes(with_depths(saved(pixels), *depths))
    words = f"a JPEG 2000 of {max(depths)} bits per channel, which is not supported; export it with 8 bits, or as a PNG"
    with pytest.raises(PictureError, match=words):
        read_header(path)
    with pytest.raises(PictureError, match=words):
        read_rgb8(path.read_bytes())


@pytest.mark.parametrize(
    "depths",
    [(1,), (4,), (7,), (2, 2), (4, 4, 4), (8, 8, 8, 1)],
    ids=lambda depths: "-".join(map(str, depths)),
)
def test_fewer_bits_reach_from_black_to_white(tmp_path: Path, depths: tuple[int, ...]) -> None:
    most = 2 ** np.array(depths) - 1
    values = np.arange(256).reshape(16, 16, 1) % (most + 1)
    stored = values + 128 - (most + 1) // 2  # the zero of the wavelets is half of the range
    content = with_depths(saved(stored.astype(np.uint8)), *depths)
    expected = np.round(values * 255 / most)
    (tmp_path / "a.jp2").write_bytes(content)
    assert (pixels_of(read_header(tmp_path / "a.jp2")) == expected).all()
    colours = expected[:, :, :-1] if len(depths) in (2, 4) else expected
    assert (read_rgb8(content) == colours).all()


def test_a_palette_is_read_by_indices_of_fewer_bits() -> None:
    indices = np.arange(64).reshape(8, 8, 1) % 16
    content = bytearray(with_depths(saved((indices + 120).astype(np.uint8)), 4))
    colours = np.arange(48, dtype=np.uint8).reshape(16, 3) * 5
    palette = struct.pack(">I4sHB3B", 14 + colours.size, b"pclr", 16, 3, 7, 7, 7) + colours.tobytes()
    start = content.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">I", content, start)
    struct.pack_into(">I", content, content.index(b"colr") + 7, 16)  # sRGB
    struct.pack_into(">I", content, start, length + len(palette))
    content[start + length : start + length] = palette
    assert (read_rgb8(bytes(content)) == colours[indices[:, :, 0]]).all()


@pytest.mark.parametrize("kind", [14, 21, 1000])
def test_colours_of_unknown_kinds_are_refused(tmp_path: Path, kind: int) -> None:
    content = bytearray(saved())
    struct.pack_into(">I", content, content.index(b"colr") + 7, kind)
    with pytest.raises(PictureError, match=f"the unsupported kind {kind}; export it in sRGB"):
        converted(bytes(content), tmp_path / "target.jp2")


def patched(marker: bytes, offset: int, value: bytes) -> bytes:
    content = stream()
    place = content.index(marker) + offset
    content[place : place + len(value)] = value
    return bytes(content)


HOSTILE = {
    "tiles": (patched(b"\xff\x51", 6, struct.pack(">6I", 600, 400, 0, 0, 2, 2)), "60,000 tiles"),
    "layers and precincts": (patched(b"\xff\x52", 6, struct.pack(">H", 65_535)), "layers or precincts"),
    "precincts": (patched(b"\xff\x52", 4, b"\1\0\xff\xff\0\5\4\4\0\1" + b"\0" * 6), "layers or precincts"),
    "code blocks": (patched(b"\xff\x52", 10, b"\0\0"), "tiny code blocks"),
    "levels": (patched(b"\xff\x52", 9, b"\xff"), "layers or precincts"),
    "components": (patched(b"\xff\x51", 38, b"\xff\xff"), "cut off|unsupported"),
    "no pixels": (patched(b"\xff\x51", 6, bytes(8)), "broken header"),
    "cut off": (bytes(stream()[:30]), "cut off"),
    "no stream": (saved()[:100], "cut off"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_headers_that_would_take_far_too_much_memory_are_refused(tmp_path: Path, kind: str) -> None:
    content, words = HOSTILE[kind]
    path = tmp_path / "hostile.j2k"
    path.write_bytes(content)
    with pytest.raises((LimitError, PictureError), match=words):
        read_header(path)


def test_the_header_of_a_tile_is_checked_too(tmp_path: Path) -> None:
    content = stream()
    place = content.index(b"\xff\x90") + 12
    coding = b"\xff\x52\0\x0c\0\0\xff\xff\0\5\4\4\0\1"
    content[place:place] = coding
    struct.pack_into(">I", content, place - 6, len(content) - place + 12 - 2)
    path = tmp_path / "hostile.j2k"
    path.write_bytes(content)
    with pytest.raises(LimitError, match="layers or precincts"):
        read_header(path)


@settings(max_examples=150)
@given(place=st.integers(0, 220), value=st.integers(0, 255), jp2=st.booleans())
def test_any_wrong_byte_is_at_most_one_sentence(place: int, value: int, jp2: bool) -> None:
    content = bytearray(saved()) if jp2 else stream()
    content[place] = value
    try:
        read_rgb8(bytes(content))
    except PictureError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("options", [{"tile_size": (16, 16)}, {"quality_layers": [40, 20, 10]}, {"num_resolutions": 3}])
def test_usual_settings_pass(options: dict[str, Any]) -> None:
    assert read_rgb8(saved(**options)).shape == PHOTO.shape
    assert read_rgb8(bytes(stream(**options, precinct_size=(128, 128)))).shape == PHOTO.shape
