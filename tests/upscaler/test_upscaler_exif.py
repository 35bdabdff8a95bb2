"""EXIF travels as bytes: only what the picture changes is patched, at unchanged offsets."""

import io
import json
import shutil
import struct
import subprocess
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, TiffImagePlugin

from support.pictures import photo_like
from support.tiff_blocks import block, shorts
from upscaler import Options, Upscaler, double_file
from upscaler.pictures.exif import orientation, patched
from upscaler.pictures.exif_tags import (
    EXIF_POINTER,
    FOCAL_PLANE_RESOLUTIONS,
    HEIGHTS,
    ORIENTATION,
    PIXEL_SCALE,
    PIXELS,
    POINTERS,
    SUBJECTS,
    TIE_POINTS,
    WIDTHS,
)
from upscaler.pictures.geometry import Geometry
from upscaler.pictures.orientation import upright_size
from upscaler.pictures.tiff_exif import collected, laid_out

CAMERAS = sorted(Path(__file__).with_name("data").glob("*.exif"))
TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 6: "b", 7: "s", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d", 13: "I"}
FOLLOWING = {ORIENTATION, *WIDTHS, *HEIGHTS, *SUBJECTS, *FOCAL_PLANE_RESOLUTIONS, PIXEL_SCALE, TIE_POINTS, *POINTERS}
DIRECTORIES: dict[str, list[int]] = {
    "0th": list(ExifTags.TAGS),
    "exif": list(ExifTags.TAGS),
    "gps": list(ExifTags.GPSTAGS),
    "interop": [int(tag) for tag in ExifTags.Interop],
}
SIZE = (240, 160)


def geometry(size: tuple[int, int], scale: int = 2, turn: int = 1) -> Geometry:
    """Return the way to a result of this size."""
    return Geometry(turn, upright_size((size[0] // scale, size[1] // scale), turn), size)


def changed(content: bytes, *, remove_location: bool = False, scale: int = 2) -> bytes:
    return patched(content, geometry(SIZE, scale), remove_location=remove_location)[0]


def value_of(kind: int, amount: int, order: str) -> bytes:
    one = struct.pack(order + TYPES[kind], *([b"x"] if kind in (2, 7) else [7] * len(TYPES[kind])))
    return one * amount


@pytest.mark.slow
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("where", DIRECTORIES)
@pytest.mark.parametrize("amount", [1, 5])
def test_every_tag_of_every_type(order: str, where: str, amount: int) -> None:
    for tag, kind in product(DIRECTORIES[where], TYPES):
        odd = (tag, kind, amount, value_of(kind, amount, order))
        make = (271, 2, 9, b"A camera\0")
        content = block([make, odd], order) if where == "0th" else block([make], order, **{where: [odd]})
        for remove_location in (False, True):
            found = changed(content, remove_location=remove_location)
            assert changed(found, remove_location=remove_location, scale=1) == found
            assert b"A camera" in found
            if not remove_location and tag not in FOLLOWING | PIXELS:
                assert found == content
        collected(content)
        laid_out(content, 8)


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"Exif\0\0MM\0*\0\0\0\x08"])
)
@example(b"", b"II*\0")
def test_any_bytes(content: bytes, header: bytes) -> None:
    for remove_location in (False, True):
        found = changed(header + content, remove_location=remove_location)
        assert changed(found, remove_location=remove_location, scale=1) == found
    orientation(header + content)
    collected(header + content)
    laid_out(header + content, 8)


@settings(max_examples=200)
@given(
    st.sampled_from(CAMERAS),
    st.dictionaries(st.integers(4, 1999), st.integers(0, 255), min_size=1, max_size=8),
    st.booleans(),
)
def test_any_damage(camera: Path, changes: dict[int, int], remove_location: bool) -> None:
    damaged = bytearray(camera.read_bytes()[:2000])
    for place, value in changes.items():
        damaged[place] = value
    found = changed(bytes(damaged), remove_location=remove_location)
    assert len(found) <= len(damaged)
    assert changed(found, remove_location=remove_location, scale=1) == found
    collected(bytes(damaged))
    laid_out(bytes(damaged), 8)


@pytest.mark.parametrize("order", "<>")
def test_sizes_and_orientation_follow(order: str) -> None:
    tags = [
        (256, 3, 1, shorts(120, order=order)),
        (257, 4, 1, struct.pack(order + "I", 80)),
        (274, 3, 1, shorts(6, order=order)),
    ]
    details = [(40962, 3, 1, shorts(120, order=order)), (40963, 7, 3, b"odd")]
    content = block(tags, order, exif=details)
    found = patched(content, geometry((100_000, 160)), remove_location=False)[0]
    assert len(found) == len(content)
    exif = Image.Exif()
    exif.load(found)
    assert (exif[256], exif[257], exif[274]) == (100_000, 160, 1)
    assert exif.get_ifd(EXIF_POINTER) == {40962: 100_000, 40963: 160}


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        *((1, (20, 40, 8, 4)), (2, (218, 40, 8, 4)), (3, (218, 118, 8, 4)), (4, (20, 118, 8, 4))),
        *((5, (40, 20, 4, 8)), (6, (118, 20, 4, 8)), (7, (118, 218, 4, 8)), (8, (40, 218, 4, 8))),
    ],
)
def test_the_subject_turns_with_the_picture(turn: int, expected: tuple[int, ...]) -> None:
    subject = [(37396, 3, 4, shorts(10, 20, 4, 2))]
    size = (240, 160) if turn < 5 else (160, 240)  # of a picture that was stored as 120x80
    exif = Image.Exif()
    exif.load(patched(block([], exif=subject), geometry(size, turn=turn), remove_location=False)[0])
    assert exif.get_ifd(EXIF_POINTER)[37396] == expected


@pytest.mark.parametrize("values", [(np.nan, 1.0), (1.0, np.inf), (1e308, 1.0)])
def test_a_subject_that_is_no_place_goes(values: tuple[float, ...]) -> None:
    content = block([], exif=[(37396, 12, 2, struct.pack("<2d", *values))])
    exif = Image.Exif()
    exif.load(patched(content, geometry(SIZE), remove_location=False)[0])
    assert 37396 not in exif.get_ifd(EXIF_POINTER)


@pytest.mark.parametrize("values", [(1,), (1, 2, 3, 4, 5), (40_000, 2)])
def test_a_subject_that_cannot_follow_goes(values: tuple[int, ...]) -> None:
    tags = [(37396, 3, len(values), shorts(*values)), (37521, 2, 2, b"5\0")]
    exif = Image.Exif()
    exif.load(changed(block([(271, 2, 2, b"C\0")], exif=tags)))
    assert exif.get_ifd(EXIF_POINTER) == {37521: "5"}


def test_what_describes_the_smaller_picture_goes() -> None:
    inks = [(258, 3, 4, shorts(8, 8, 8, 8)), (262, 3, 1, shorts(5)), (277, 3, 1, shorts(4))]
    tags = [*inks, (271, 2, 9, b"A camera\0"), (273, 4, 1, struct.pack("<I", 8)), (37724, 7, 9, b"8BIMLAYER")]
    found, warnings = patched(block(sorted(tags)), geometry(SIZE), remove_location=False)
    assert b"LAYER" not in found
    exif = Image.Exif()
    exif.load(found)
    assert dict(exif) == {271: "A camera"}
    assert warnings == ["dropped its Photoshop layers, which show the smaller picture"]


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda path: path.stem)
def test_a_thumbnail_goes_and_all_else_stays_in_its_place(camera: Path) -> None:
    content = camera.read_bytes()
    exif = Image.Exif()
    exif.load(content)
    start, length = exif.get_ifd(ExifTags.IFD.IFD1)[513], exif.get_ifd(ExifTags.IFD.IFD1)[514]
    found = changed(content).ljust(len(content), b"\0")
    assert not any(found[start : start + length])
    note = exif.get_ifd(EXIF_POINTER)[ExifTags.Base.MakerNote]
    assert found.index(note) == content.index(note)
    differing = sum(a != b for a, b in zip(found[:start], content[:start], strict=True))
    assert differing < 120, "sizes and the thumbnail's directory"


def test_no_location_is_left() -> None:
    place = [(1, 2, 2, b"N\0"), (2, 5, 3, struct.pack("<6I", 46, 1, 29, 1, 123456789, 1000))]
    details = [(37500, 7, 12, b"City: Bozen\0"), (37510, 7, 12, b"City: Bozen\0"), (37521, 2, 2, b"5\0")]
    content = block([(270, 2, 6, b"Bozen\0"), (271, 2, 9, b"A camera\0")], exif=details, gps=place)
    found, warnings = patched(content, geometry(SIZE), remove_location=True)
    assert warnings == ["dropped its maker notes and free text with the location, which they may name"]
    assert b"Bozen" not in found and struct.pack("<I", 123456789) not in found
    exif = Image.Exif()
    exif.load(found)
    assert dict(exif) == {271: "A camera", EXIF_POINTER: exif[EXIF_POINTER]}
    assert exif.get_ifd(EXIF_POINTER) == {37521: "5"}
    assert struct.pack("<I", 123456789) in changed(content)


def test_a_location_goes_though_what_stays_shares_its_bytes() -> None:
    latitude, make = struct.pack("<6I", 46, 1, 29, 1, 123456789, 1000), b"A camera".ljust(24, b"\0")
    content = block([(271, 2, 24, make)], gps=[(1, 2, 2, b"N\0"), (2, 5, 3, latitude)])
    own, shared = (struct.pack("<I", content.index(values)) for values in (make, latitude))
    content = content.replace(own, shared)
    assert latitude not in changed(content, remove_location=True)


def test_a_map_keeps_its_scale(upscaler: Upscaler, tmp_path: Path) -> None:
    image, tags = Image.fromarray(photo_like(30, 20)), TiffImagePlugin.ImageFileDirectory_v2()
    tags[PIXEL_SCALE], tags[TIE_POINTS] = (10.0, 10.0, 0.0), (4.0, 6.0, 0.0, 600_000.0, 5_000_000.0, 0.0)
    tags.tagtype |= {PIXEL_SCALE: 12, TIE_POINTS: 12}
    image.save(tmp_path / "map.tif", tiffinfo=tags)
    list(double_file(upscaler, tmp_path / "map.tif", tmp_path / "x.tif"))
    with Image.open(tmp_path / "x.tif") as image:
        found = image.tag_v2  # type: ignore[attr-defined]
        assert found[PIXEL_SCALE] == (5.0, 5.0, 0.0)
        assert found[TIE_POINTS] == (8.0, 12.0, 0.0, 600_000.0, 5_000_000.0, 0.0)


@pytest.mark.parametrize("prefix", [b"", b"Exif\0\0", b"\0\0\0\6Exif\0\0", b"\n  "])
def test_what_stands_before_the_header_is_skipped(prefix: bytes) -> None:
    content = block([(274, 3, 1, shorts(6))])
    assert orientation(prefix + content) == 6
    assert changed(prefix + content) == changed(content)


@pytest.mark.parametrize("content", [b"Exif\0\0", b"x" * 99, b"II*\0\x08\0\0\0\xff\xff", b"II*\0\xff\0\0\0"])
def test_what_is_no_exif_is_left_out_with_a_warning(content: bytes) -> None:
    found, warnings = patched(content, geometry(SIZE), remove_location=False)
    assert not found and len(warnings) == 1 and warnings[0].startswith("dropped")


@pytest.mark.parametrize("content", [b"", b"II*\0\x08\0\0\0\0\0\0\0\0\0", b"MM\0*\0\0\0\x08\0\0"])
def test_no_exif_needs_no_word(content: bytes) -> None:
    assert patched(content, geometry(SIZE), remove_location=False) == (b"", [])
    assert collected(content) == (b"", [])


def doubled(upscaler: Upscaler, folder: Path, exif: bytes, suffix: str, **options: Any) -> Path:
    image = Image.fromarray(photo_like(30, 20))
    image.save(folder / "in.jpg", exif=b"Exif\0\0" + exif)
    target = folder / f"x{suffix}"
    list(double_file(upscaler, folder / "in.jpg", target, Options(**options)))
    return target


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda path: path.stem)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif"])
def test_exif_is_written_byte_for_byte(upscaler: Upscaler, tmp_path: Path, camera: Path, suffix: str) -> None:
    target = doubled(upscaler, tmp_path, camera.read_bytes(), suffix)
    expected = patched(camera.read_bytes(), geometry((40, 60)), remove_location=False)[0]
    assert expected in target.read_bytes()
    with Image.open(target) as image:
        assert image.getexif()[ExifTags.Base.Make]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_text_that_is_not_ascii(upscaler: Upscaler, tmp_path: Path, suffix: str) -> None:
    name = "José Müller\0".encode()
    target = doubled(upscaler, tmp_path, block([(315, 2, len(name), name)], ">"), suffix)
    assert name in target.read_bytes()
    if suffix == ".tif":
        again = tmp_path / "again.jpg"
        list(double_file(upscaler, target, again))
        assert name in again.read_bytes()


@pytest.mark.parametrize("camera", CAMERAS, ids=lambda path: path.stem)
def test_pixels_of_a_tiff_make_room_for_maker_notes(upscaler: Upscaler, tmp_path: Path, camera: Path) -> None:
    Image.fromarray(photo_like(70, 90)).save(tmp_path / "in.jpg", exif=b"Exif\0\0" + camera.read_bytes())
    for name in ("x.tif", "x.png"):
        list(double_file(upscaler, tmp_path / "in.jpg", tmp_path / name))
    with Image.open(tmp_path / "x.tif") as tiff, Image.open(tmp_path / "x.png") as png:
        assert len(tiff.tag_v2[273]) > 1, "several strips"  # type: ignore[attr-defined]
        assert (np.asarray(tiff) == np.asarray(png)).all()
    found = pyvips.Image.new_from_file(str(tmp_path / "x.tif"), fail_on="warning").numpy()
    assert (found == np.asarray(Image.open(tmp_path / "x.png"))).all()


@pytest.mark.parametrize("end", [b"", b"x"])
@pytest.mark.parametrize("camera", [*CAMERAS, None], ids=lambda path: path.stem if path else "plain")
def test_directories_of_a_tiff_stand_at_even_places(
    upscaler: Upscaler, tmp_path: Path, camera: Path | None, end: bytes
) -> None:
    exif = camera.read_bytes() if camera else block([(315, 2, 6, b"Ann A\0")], "<")
    for name in (b"Ann", b"Anna"):
        caption = bytes([28, 2, 120, 0, len(name)]) + name
        resource = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(caption)) + caption
        content = io.BytesIO()
        Image.fromarray(photo_like(30, 20)).save(content, "JPEG", exif=b"Exif\0\0" + exif + end)
        segment = b"\xff\xed" + struct.pack(">H", len(resource) + 2) + resource
        (tmp_path / "in.jpg").write_bytes(content.getvalue()[:2] + segment + content.getvalue()[2:])
        list(double_file(upscaler, tmp_path / "in.jpg", tmp_path / "x.tif"))
        written = (tmp_path / "x.tif").read_bytes()
        assert name in written
        (place,) = struct.unpack_from("<I", written, 4)
        assert place % 2 == 0


def reported(path: Path) -> dict[str, Any]:
    command = ["exiftool", "-a", "-u", "-G1", "-n", "-j", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
    return found


_FOLLOWING = ("Width", "Height", "Megapixels", "ImageSize", "Orientation", "FocalPlane", "SubjectArea", "Preview")


@pytest.mark.skipif(not shutil.which("exiftool"), reason="needs ExifTool")
@pytest.mark.parametrize("camera", CAMERAS, ids=lambda path: path.stem)
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_exiftool_reports_the_same(upscaler: Upscaler, tmp_path: Path, camera: Path, suffix: str) -> None:
    found = reported(doubled(upscaler, tmp_path, camera.read_bytes(), suffix))
    expected = reported(tmp_path / "in.jpg")
    groups = ("IFD0:", "ExifIFD:", "InteropIFD:", "PrintIM:", "Canon:", "Minolta:", "MakerNotes:")
    tags = {tag for tag in expected if tag.startswith(groups) and not any(word in tag for word in _FOLLOWING)}
    assert len(tags) > 30
    assert {tag: found.get(tag) for tag in tags} == {tag: expected[tag] for tag in tags}
