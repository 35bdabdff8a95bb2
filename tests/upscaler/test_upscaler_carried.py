"""Metadata that travel as bytes from file to file: IPTC, comments, and the texts, time and colour of a PNG."""

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from support.pictures import photo_like
from support.tiff_blocks import Tag, tiff
from upscaler import Options, Upscaler, double_file
from upscaler.pictures.iptc import HEADER, read_iptc
from upscaler.pictures.png_chunks import read_chunks
from upscaler.pictures.png_file import Chunk, insert_chunks

BYLINE, CITY = b"\x1c\x02\x50\x00\x04Anna", b"\x1c\x02\x5a\x00\x05Bozen"
RESOURCE = b"8BIM\x04\x04\0\0" + len(BYLINE + CITY).to_bytes(4, "big") + BYLINE + CITY + b"\0"
TITLE, TIME, PQ = (
    Chunk(b"tEXt", b"Title\0A bird"),
    Chunk(b"tIME", bytes([7, 234, 11, 28, 9, 0, 0])),
    Chunk(b"cICP", b"\x09\x10\0\1"),
)
PLACE = Chunk(b"tEXt", b"City\0Bozen")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta>'


@pytest.fixture
def jpeg(tmp_path: Path) -> Path:
    segment = HEADER + RESOURCE
    extra = b"\xff\xed" + (len(segment) + 2).to_bytes(2, "big") + segment
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Cam"
    metadata: dict[str, Any] = {"extra": extra, "exif": exif, "xmp": XMP, "comment": b"A meadow"}
    Image.fromarray(photo_like(20, 30)).save(tmp_path / "a.jpg", **metadata)
    return tmp_path / "a.jpg"


@pytest.fixture
def png(tmp_path: Path) -> Path:
    Image.fromarray(photo_like(20, 30)).save(tmp_path / "a.png")
    with (tmp_path / "a.png").open("r+b") as file:
        insert_chunks(file, [TITLE, TIME, PQ, PLACE])
    return tmp_path / "a.png"


def iim_of(path: Path) -> bytes:
    """The IPTC datasets of a file, by Pillow's readers, or from the text of a PNG."""
    with Image.open(path) as image:
        if image.format == "TIFF":
            return bytes(image.tag_v2[33723])  # type: ignore[attr-defined]
        if image.format == "JPEG":
            return read_iptc(dict(image.applist)["APP13"], remove_location=False).iim  # type: ignore[attr-defined]
    with path.open("rb") as file:
        return read_iptc(read_chunks(file).profiles["iptc"], remove_location=False).iim


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("remove_location", [False, True])
def test_iptc_goes_with_the_picture(upscaler: Upscaler, jpeg: Path, suffix: str, remove_location: bool) -> None:
    target = jpeg.with_name(f"b{suffix}")
    list(double_file(upscaler, jpeg, target, Options(remove_location=remove_location)))
    assert iim_of(target).rstrip(b"\0") == (BYLINE if remove_location else BYLINE + CITY)
    again = jpeg.with_name(f"c{suffix}")
    list(double_file(upscaler, target, again))
    assert iim_of(again) == iim_of(target)


@pytest.mark.parametrize(
    ("suffix", "sentences"),
    [
        (".jpg", []),
        (".png", ["comment, which a PNG"]),
        (".tif", ["comment, which a TIFF"]),
        (".webp", ["IPTC, which a WebP", "comment, which a WebP"]),
        (".avif", ["IPTC, which an AVIF", "comment, which an AVIF"]),
        (".gif", ["EXIF, which a GIF", "XMP, which a GIF", "IPTC, which a GIF"]),
        (".bmp", ["EXIF, which a BMP", "XMP, which a BMP", "IPTC, which a BMP", "comment, which a BMP"]),
    ],
)
def test_what_the_format_cannot_hold_is_said(
    upscaler: Upscaler, jpeg: Path, suffix: str, sentences: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    list(double_file(upscaler, jpeg, jpeg.with_name(f"b{suffix}")))
    assert caplog.messages == [f"{jpeg}: dropped its {sentence} cannot hold" for sentence in sentences]


def test_texts_that_the_format_cannot_hold_are_said(
    upscaler: Upscaler, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "a.png"
    Image.fromarray(photo_like(20, 30)).save(source)
    with source.open("r+b") as file:
        insert_chunks(file, [TITLE, PLACE])
    list(double_file(upscaler, source, tmp_path / "b.jpg"))
    assert caplog.messages == [f"{source}: dropped its texts, which a JPEG cannot hold"]


@pytest.mark.parametrize("suffix", [".jpg", ".gif"])
@pytest.mark.parametrize(
    ("comment", "remove_location", "is_kept"),
    [
        (b"Ma\xc3\xafs", False, True),
        (b"Ma\xc3\xafs", True, True),
        (b"lat=47.1", False, True),
        (b"lat=47.1", True, False),
    ],
)
def test_a_comment_goes_with_the_picture(
    upscaler: Upscaler, tmp_path: Path, suffix: str, comment: bytes, remove_location: bool, is_kept: bool
) -> None:
    source, target = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    Image.fromarray(photo_like(9, 12)).save(source, comment=comment)
    list(double_file(upscaler, source, target, Options(remove_location=remove_location)))
    with Image.open(target) as image:
        assert image.info.get("comment", b"") == (comment if is_kept else b"")


def test_all_comments_of_a_jpeg_are_kept(upscaler: Upscaler, jpeg: Path) -> None:
    content = jpeg.read_bytes()
    jpeg.write_bytes(content[:2] + b"\xff\xfe\0\x07Hello" + content[2:])
    list(double_file(upscaler, jpeg, jpeg.with_name("b.jpg")))
    with Image.open(jpeg.with_name("b.jpg")) as image:
        assert image.info["comment"] == b"Hello\nA meadow"


@pytest.mark.parametrize("remove_location", [False, True])
def test_texts_time_and_colour_go_from_png_to_png(upscaler: Upscaler, png: Path, remove_location: bool) -> None:
    target = png.with_name("b.png")
    list(double_file(upscaler, png, target, Options(remove_location=remove_location)))
    with target.open("rb") as file:
        found = read_chunks(file).chunks
    assert {chunk for chunk in found if chunk.kind != b"sRGB"} == {TITLE, TIME, PQ} | (
        set() if remove_location else {PLACE}
    )
    with Image.open(target) as image:
        image.load()
        assert image.size == (60, 40)


def test_an_animated_png_keeps_them_too(upscaler: Upscaler, tmp_path: Path) -> None:
    frames = [Image.fromarray(photo_like(10, 12, seed)) for seed in range(3)]
    content = io.BytesIO()
    frames[0].save(content, "PNG", save_all=True, append_images=frames[1:], duration=40)
    insert_chunks(content, [TITLE])
    (tmp_path / "a.png").write_bytes(content.getvalue())
    list(double_file(upscaler, tmp_path / "a.png", tmp_path / "b.png"))
    with (tmp_path / "b.png").open("rb") as file:
        assert TITLE in read_chunks(file).chunks
    with Image.open(tmp_path / "b.png") as image:
        assert (image.n_frames, image.size) == (3, (24, 20))  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
@pytest.mark.parametrize("iim", [b"unreadable", BYLINE])
def test_iptc_of_a_tiff_is_carried_or_dropped_as_it_is_said(
    upscaler: Upscaler, tmp_path: Path, caplog: pytest.LogCaptureFixture, suffix: str, iim: bytes
) -> None:
    tags: list[Tag] = [(271, 2, 4, b"Cam\0"), (33723, 7, len(iim), iim)]
    (tmp_path / "a.tif").write_bytes(tiff((photo_like(20, 30), tags)))
    list(double_file(upscaler, tmp_path / "a.tif", tmp_path / f"b{suffix}"))
    assert (tmp_path / f"b{suffix}").read_bytes().count(iim) == (iim == BYLINE)
    assert ("dropped its IPTC" in caplog.text) == (iim != BYLINE)
