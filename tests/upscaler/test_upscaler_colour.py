"""Colour of results: the same as that of their source, by whatever means that says it."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from support.colour_reference import BT2020, DISPLAY_P3, by_profile, gray_profile, shown
from support.odd_pictures import chunk, png_with, saved
from support.tiff_blocks import Tag, block, directory, shorts, tiff
from upscaler import Options, PictureError, Upscaler, double_file
from upscaler.pictures.colour_space import Means, colour_by
from upscaler.pictures.exif_colour import is_adobe_rgb
from upscaler.pictures.exif_tags import EXIF_POINTER
from upscaler.pictures.icc_profiles import (
    ADOBE_RGB,
    GRAY,
    RGB,
    SRGB,
    SRGB_CURVE,
    Chromaticities,
    Curve,
    rgb_profile,
    space_of,
)
from upscaler.pictures.iso_boxes import nclx_of
from upscaler.pictures.png_file import Chunk
from upscaler.pictures.reading import read_frames, read_header, read_rgb8
from upscaler.pictures.tiff_pages import CMYK, LAB
from upscaler.pictures.vips import pyvips

# Colours of a flat patch each, so that the network copies their middles.
SIDE = 32
COLOURS = np.array(
    [[200, 60, 50], [60, 180, 70], [50, 80, 190], [30, 30, 30], [128, 128, 128], [240, 220, 120]], np.uint8
)
PATCHES = COLOURS.reshape(2, 3, 3).repeat(SIDE, axis=0).repeat(SIDE, axis=1)
GRAYS = PATCHES[:, :, 1]
P3_NUMBERS, LINEAR_NUMBERS = b"\x0c\x0d\0\1", b"\1\x08\0\1"
GAMMA_18 = struct.pack(">I", 55_556)
OF_ADOBE = struct.pack(">8I", 31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000)
P3_PROFILE: bytes = pyvips.Operation.call("profile_load", "p3")  # by Saucecontrol, in the public domain
GRAY_18 = gray_profile(Curve(1.8))
PACKED_P3 = b"name\0\0" + zlib.compress(P3_PROFILE)
ADOBE_GAMMA = 563 / 256


def png(*said: tuple[bytes, bytes], pixels: NDArray[Any] = PATCHES) -> bytes:
    return png_with(*(chunk(kind, data) for kind, data in said), pixels=pixels)


def deep_png(*said: tuple[bytes, bytes]) -> bytes:
    image = pyvips.Image.new_from_array(PATCHES.astype(np.uint16) * 257).copy(interpretation="rgb16")
    plain: bytes = image.pngsave_buffer()
    return plain[:33] + b"".join(chunk(kind, data) for kind, data in said) + plain[33:]


def avif(primaries: int, transfer: int) -> bytes:
    content = bytearray(saved("AVIF", PATCHES, quality=100))
    place = content.index(b"colrnclx") + 8
    content[place : place + 4] = struct.pack(">HH", primaries, transfer)
    return bytes(content)


def tiff_of_space(space: int, pixels: NDArray[np.uint8] = PATCHES, *tags: Tag) -> bytes:
    """Return a TIFF whose EXIF says a colour space."""
    place = len(tiff((pixels, [*tags, (EXIF_POINTER, 4, 1, bytes(4))])))
    pointer = (EXIF_POINTER, 4, 1, struct.pack("<I", place))
    return tiff((pixels, [*tags, pointer])) + directory([(40961, 3, 1, shorts(space))], place, "<")


def exif_of_index(index: bytes) -> bytes:
    """Return EXIF with an index of interoperability, as DCF has it: three directories, one in another."""
    pointers = (directory([(tag, 4, 1, shorts(place, 0))], 0, "<") for tag, place in ((34665, 26), (40965, 44)))
    return b"II*\0\x08\0\0\0" + b"".join(pointers) + directory([(1, 2, 4, index)], 44, "<")


def jpeg_of_index(index: bytes) -> bytes:
    return saved("JPEG", PATCHES, exif=b"Exif\0\0" + exif_of_index(index))


OF_SPACE_2 = b"Exif\0\0" + block([], exif=[(40961, 3, 1, shorts(2))])
# By name: content, and the space that it says.
WAYS: dict[str, tuple[bytes, Chromaticities, float | None]] = {
    "says nothing.png": (png(), SRGB, None),
    "numbers.png": (png((b"cICP", P3_NUMBERS)), DISPLAY_P3, None),
    "numbers of 16 bits.png": (deep_png((b"cICP", P3_NUMBERS)), DISPLAY_P3, None),
    "numbers before profile.png": (png((b"cICP", LINEAR_NUMBERS), (b"iCCP", PACKED_P3)), SRGB, 1.0),
    "profile.png": (png((b"iCCP", PACKED_P3), (b"gAMA", GAMMA_18)), DISPLAY_P3, None),
    "name before gamma.png": (png((b"sRGB", b"\0"), (b"gAMA", GAMMA_18)), SRGB, None),
    "name before index.png": (png((b"sRGB", b"\0"), (b"eXIf", exif_of_index(b"R03\0"))), SRGB, None),
    "gamma.png": (png((b"gAMA", GAMMA_18)), SRGB, 1.8),
    "gamma and primaries.png": (png((b"gAMA", GAMMA_18), (b"cHRM", OF_ADOBE)), ADOBE_RGB, 1.8),
    "numbers unknown.png": (png((b"cICP", b"\xc8\xc8\0\1"), (b"gAMA", GAMMA_18)), SRGB, 1.8),
    "primaries impossible.png": (png((b"cHRM", bytes(32)), (b"gAMA", GAMMA_18)), SRGB, 1.8),
    "gamma impossible.png": (png((b"gAMA", bytes(4))), SRGB, None),
    "gray by gamma.png": (png((b"gAMA", GAMMA_18), pixels=GRAYS), SRGB, 1.8),
    "gray by profile.png": (png((b"iCCP", b"g\0\0" + zlib.compress(GRAY_18)), pixels=GRAYS), SRGB, 1.8),
    "profile.jpg": (saved("JPEG", PATCHES, quality=95, icc_profile=P3_PROFILE), DISPLAY_P3, None),
    "index.jpg": (jpeg_of_index(b"R03\0"), ADOBE_RGB, ADOBE_GAMMA),
    "index of sRGB.jpg": (jpeg_of_index(b"R98\0"), SRGB, None),
    "space.jpg": (saved("JPEG", PATCHES, exif=OF_SPACE_2), ADOBE_RGB, ADOBE_GAMMA),
    "gray.jpg": (saved("JPEG", GRAYS, icc_profile=GRAY_18), SRGB, 1.8),
    "gray by RGB.jpg": (saved("JPEG", GRAYS, icc_profile=rgb_profile(ADOBE_RGB, Curve(1.8))), SRGB, 1.8),
    "RGB by gray.jpg": (saved("JPEG", PATCHES, icc_profile=GRAY_18), SRGB, None),
    "profile.tif": (saved("TIFF", PATCHES, icc_profile=P3_PROFILE), DISPLAY_P3, None),
    "space.tif": (tiff_of_space(2), ADOBE_RGB, ADOBE_GAMMA),
    "profile.webp": (saved("WEBP", PATCHES, icc_profile=P3_PROFILE, lossless=True), DISPLAY_P3, None),
    "numbers.avif": (avif(12, 13), DISPLAY_P3, None),
    "numbers of sRGB.avif": (avif(1, 13), SRGB, None),
    "numbers unspecified.avif": (avif(2, 2), SRGB, None),
    "numbers of video.avif": (avif(1, 1), SRGB, None),
    "numbers of Rec. 2020.avif": (avif(9, 15), BT2020, None),
    "gamma 2.2.avif": (avif(1, 4), SRGB, 2.2),
}
TARGETS = [".png", ".jpg", ".webp", ".tif", ".avif", ".bmp", ".gif"]


def viewed(path: Path, primaries: Chromaticities, gamma: float | None) -> NDArray[np.float64]:
    """Return a result as a colour-managed viewer shows it: by its profile, or by the chunks of its source."""
    content = path.read_bytes()
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        shown_as = image.convert("RGB") if image.mode in ("P", "RGB") else image.convert("L")
        if profile and b"cICP" not in content:
            assert space_of(profile) == (GRAY if shown_as.mode == "L" else RGB)
            return by_profile(shown_as, profile).astype(float)
    pixels = np.asarray(shown_as.convert("RGB"))
    by_chunks = any(kind in content for kind in (b"cICP", b"gAMA")) and path.suffix == ".png"
    return shown(pixels, primaries, gamma) if by_chunks else pixels.astype(float)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", WAYS)
def test_a_viewer_shows_the_same_colours(upscaler: Upscaler, tmp_path: Path, name: str, target: str) -> None:
    content, primaries, gamma = WAYS[name]
    (tmp_path / name).write_bytes(content)
    with Image.open(tmp_path / name) as image:
        expected = shown(np.asarray(image.convert("RGB")), primaries, gamma)
    assert np.abs(read_rgb8(tmp_path / name) - expected).mean() < 1
    list(double_file(upscaler, tmp_path / name, tmp_path / f"doubled{target}", Options(quality=100)))
    found = viewed(tmp_path / f"doubled{target}", primaries, gamma)
    for after in (found, read_rgb8(tmp_path / f"doubled{target}")):
        off = after[SIDE :: 2 * SIDE, SIDE :: 2 * SIDE] - expected[SIDE // 2 :: SIDE, SIDE // 2 :: SIDE]
        assert np.abs(off).mean() < 1


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("name", "words"), [("RGB by gray.jpg", "not for RGB pixels"), ("index.jpg", "to sRGB, for a")]
)
def test_colours_that_are_converted_or_dropped_are_said_once(
    upscaler: Upscaler, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, words: str, target: str
) -> None:
    source = tmp_path / name
    source.write_bytes(WAYS[name][0])
    list(double_file(upscaler, source, tmp_path / f"doubled{target}"))
    said = [record.message for record in caplog.records if words in record.message]
    assert len(said) == (name != "index.jpg" or target in (".bmp", ".gif"))


def cmyk(depth: type[np.uint8] | type[np.uint16]) -> NDArray[Any]:
    """Return inks of the patches' shape, of every strength."""
    inks = np.dstack([PATCHES, PATCHES[:, ::-1, :1] // 2])
    return inks * np.uint16(257) if depth is np.uint16 else inks


def cmyk_tiff(depth: type[np.uint8] | type[np.uint16], profile: bytes) -> bytes:
    image = pyvips.Image.new_from_array(cmyk(depth)).copy(interpretation="cmyk").copy()
    if profile:
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    content: bytes = image.tiffsave_buffer()
    return content


@pytest.mark.parametrize("profile", [b"", GRAY_18, b"broken" * 50, "cmyk"], ids=["none", "gray", "broken", "CMYK"])
def test_inks_look_the_same_at_both_depths(
    upscaler: Upscaler, tmp_path: Path, caplog: pytest.LogCaptureFixture, profile: bytes | str
) -> None:
    content = pyvips.Operation.call("profile_load", profile) if isinstance(profile, str) else profile
    shown_as = []
    for depth in (np.uint8, np.uint16):
        caplog.clear()
        (tmp_path / "inks.tif").write_bytes(cmyk_tiff(depth, content))
        list(double_file(upscaler, tmp_path / "inks.tif", tmp_path / "doubled.png"))
        assert ["CMYK" in record.message for record in caplog.records] == [True]
        result = read_rgb8(tmp_path / "doubled.png")[SIDE :: 2 * SIDE, SIDE :: 2 * SIDE]
        shown_as += [read_rgb8(tmp_path / "inks.tif")[SIDE // 2 :: SIDE, SIDE // 2 :: SIDE].astype(int), result]
    assert max(np.abs(found - shown_as[0]).max() for found in shown_as) <= 2
    if isinstance(profile, bytes):  # as browsers show it
        light = 255 - cmyk(np.uint8)[SIDE // 2 :: SIDE, SIDE // 2 :: SIDE].astype(float)
        assert np.abs(shown_as[0] - light[:, :, :3] * light[:, :, 3:] / 255).max() <= 1


@pytest.mark.parametrize("space", [1, 2])
@pytest.mark.parametrize(("photometric", "channels"), [(CMYK, 4), (LAB, 3)])
def test_converted_colours_say_what_they_are_now(tmp_path: Path, photometric: int, channels: int, space: int) -> None:
    path, pixels = tmp_path / "a.tif", np.full((9, 12, channels), 60, np.uint8)
    path.write_bytes(tiff_of_space(space, pixels, (262, 3, 1, shorts(photometric))))
    profile = read_header(path).metadata.profile
    assert profile == (rgb_profile(SRGB, SRGB_CURVE) if space == 2 else b""), "EXIF of Adobe RGB would hold"


AVIF = avif(12, 13)
PQ, HLG = b"\x09\x10\0\1", b"\x09\x12\0\1"


@pytest.mark.parametrize("numbers", [PQ, HLG])
def test_hdr_keeps_its_depth_and_name_in_a_png(upscaler: Upscaler, tmp_path: Path, numbers: bytes) -> None:
    (tmp_path / "hdr.png").write_bytes(deep_png((b"cICP", numbers), (b"iCCP", PACKED_P3)))
    list(double_file(upscaler, tmp_path / "hdr.png", tmp_path / "doubled.png"))
    header = read_header(tmp_path / "doubled.png")
    assert header.pages[0].depth == 16
    assert header.metadata.hdr == ("PQ" if numbers is PQ else "HLG")
    (frame,) = read_frames(header)
    assert (frame.pixels[SIDE :: 2 * SIDE, SIDE :: 2 * SIDE] == COLOURS.reshape(2, 3, 3).astype(int) * 257).all()


@pytest.mark.parametrize("content", [png((b"cICP", PQ)), avif(9, 16), avif(9, 18)], ids=["PNG", "AVIF PQ", "AVIF HLG"])
@pytest.mark.parametrize("target", sorted({*TARGETS} - {".png"}))
def test_hdr_is_refused_where_it_would_look_wrong(
    upscaler: Upscaler, tmp_path: Path, content: bytes, target: str
) -> None:
    with pytest.raises(PictureError, match=r"is an HDR picture \((PQ|HLG)\)"):
        read_rgb8(content)
    (tmp_path / "hdr").write_bytes(content)
    with pytest.raises(PictureError, match=r"is an HDR picture \((PQ|HLG)\)"):
        list(double_file(upscaler, tmp_path / "hdr", tmp_path / f"doubled{target}"))
    assert [path.name for path in tmp_path.iterdir()] == ["hdr"]


def test_hdr_by_the_numbers_of_an_avif_is_named_for_a_png() -> None:
    colour = colour_by(Means(gray=False, numbers=(9, 16)))
    assert (colour.profile, colour.hdr) == (b"", "PQ")
    assert colour.chunks == (Chunk(b"cICP", PQ),)


def box(kind: bytes, *content: bytes, long: bool = False) -> bytes:
    inside = b"".join(content)
    length = struct.pack(">I4sQ", 1, kind, 16 + len(inside)) if long else struct.pack(">I4s", 8 + len(inside), kind)
    return length + inside


@pytest.mark.parametrize("long", [False, True], ids=["", "long"])
@pytest.mark.parametrize("wide", [False, True], ids=["16-bit items", "32-bit items"])
@pytest.mark.parametrize("many", [False, True], ids=["7-bit properties", "15-bit properties"])
def test_the_numbers_of_the_main_picture_are_found(long: bool, wide: bool, many: bool) -> None:
    item, index = ">I" if wide else ">H", ">H" if many else ">B"
    table = b"".join(
        struct.pack(item, name) + bytes([len(indices)]) + b"".join(struct.pack(index, n) for n in indices)
        for name, indices in [(1, [1, 4]), (2, [1, 2, 3])]
    )
    spaces = [box(b"colr", b"nclx", struct.pack(">HHHB", 9, transfer, 0, 128)) for transfer in (13, 16)]
    properties = box(b"ipco", box(b"ispe", bytes(12)), box(b"colr", b"prof"), *spaces, long=long)
    ipma = box(b"ipma", bytes([wide, 0, 0, many]), struct.pack(">I", 2), table)
    main = box(b"pitm", bytes([wide, 0, 0, 0]), struct.pack(item, 2))
    meta = box(b"meta", bytes(4), main, box(b"iprp", properties, ipma), long=long)
    assert nclx_of(io.BytesIO(box(b"ftyp", b"avif") + meta)) == (9, 13)


@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 255))
def test_any_boxes_are_read_without_an_error(tail: bytes, place: int, value: int) -> None:
    whole = bytearray(AVIF)
    whole[place] = value
    for content in (bytes(whole), AVIF[:place] + tail, tail):
        numbers = nclx_of(io.BytesIO(content))
        assert colour_by(Means(gray=False, numbers=numbers)).warnings == ()


@given(st.binary(max_size=100))
def test_any_exif_is_read_without_an_error(content: bytes) -> None:
    for start in (content, b"II*\0\x08\0\0\0" + content, OF_SPACE_2[:30] + content):
        is_adobe_rgb(start)
