"""PNGs whose chunks beside the pixels are damaged: they cost themselves, not the picture."""

import io
import logging
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.odd_pictures import PHOTO, chunk, png_with
from upscaler import PictureError
from upscaler.pictures.png_repair import repaired
from upscaler.pictures.reading import read_frames, read_header, read_rgb8

TITLE, AUTHOR = chunk(b"tEXt", b"Title\0A bird"), chunk(b"tEXt", b"Author\0")
BOMB = zlib.compress(b"\0" * 70_000_000)


def broken(kind: bytes, data: bytes) -> bytes:
    """Return a chunk with a wrong checksum."""
    whole = bytearray(chunk(kind, data))
    whole[-1] ^= 1
    return bytes(whole)


@pytest.mark.parametrize(
    "damaged",
    [
        *(broken(kind, b"name\0\0" + zlib.compress(b"x")) for kind in (b"iCCP", b"tEXt", b"zTXt", b"eXIf", b"prVt")),
        chunk(b"pHYs", b"\0"),
        chunk(b"gAMA", b"\0"),
        chunk(b"iCCP", b"name\0\0" + BOMB),
        chunk(b"zTXt", b"name\0\0" + BOMB),
        chunk(b"iTXt", b"name\0\1\0\0\0" + BOMB),
    ],
    ids=["profile", "text", "packed", "EXIF", "private", "resolution", "gamma", "long profile", "bomb", "iTXt bomb"],
)
def test_a_damaged_chunk_costs_itself(damaged: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(png_with(TITLE, damaged, AUTHOR))
    with caplog.at_level(logging.WARNING):
        header = read_header(path)
        (frame,) = read_frames(header)
    assert (frame.pixels == PHOTO).all()
    assert (read_rgb8(path) == PHOTO).all()
    assert [found.data[:5] for found in header.metadata.chunks] == [b"Title", b"Autho"]
    assert len(caplog.records) == 1


def test_many_long_texts_cost_themselves(tmp_path: Path) -> None:
    text = chunk(b"zTXt", b"name\0\0" + zlib.compress(b"\0" * 3_900_000))
    assert (read_rgb8(png_with(*[text] * 25)) == PHOTO).all()


def test_damaged_pixels_are_refused(tmp_path: Path) -> None:
    content = bytearray(png_with(broken(b"tEXt", b"Title\0")))
    content[-14] ^= 1  # of the last checksum of pixels
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    with pytest.raises(PictureError, match="is broken"):
        list(read_frames(read_header(path)))


CHUNKS = st.lists(st.tuples(st.booleans(), st.sampled_from([b"prVt", b"teSt"]), st.binary(max_size=40)), max_size=6)


@given(CHUNKS, st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), max_size=5))
def test_the_view_is_the_file_without_what_is_damaged(
    chunks: list[tuple[bool, bytes, bytes]], reads: list[tuple[int, int]]
) -> None:
    good = [chunk(kind, data) for fine, kind, data in chunks if fine]
    every = [(chunk if fine else broken)(kind, data) for fine, kind, data in chunks]
    source = io.BytesIO(png_with(*every))
    expected, view = io.BytesIO(png_with(*good)), repaired(source) or source
    view.seek(0)
    assert view.read() == expected.read()
    for place, length in reads:
        assert view.seek(place) == expected.seek(place)
        assert view.read(length) == expected.read(length)
        assert view.tell() == expected.tell()
    assert view.seek(-5, io.SEEK_END) == expected.seek(-5, io.SEEK_END)


@given(st.binary(max_size=60))
def test_any_bytes_have_a_view_or_none(content: bytes) -> None:
    for start in (content, png_with()[:33] + content, png_with()[:33] + struct.pack(">I", len(content)) + content):
        view = repaired(io.BytesIO(start))
        assert view is None or len(view.read()) < len(start)
