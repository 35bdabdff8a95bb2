"""Chunks of a PNG are carried byte for byte; damage, bombs and places are not."""

import io
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from upscaler.pictures import png_file
from upscaler.pictures.png_chunks import Found, read_chunks, without_location
from upscaler.pictures.png_file import COLOUR, PROFILE, SIGNATURE, Chunk, PngError, insert_chunks
from upscaler.pictures.png_texts import profile_chunk

GENEROUS = 20.0  # seconds
TIME = Chunk(b"tIME", bytes([7, 230, 1, 2, 3, 4, 5]))
CICP = Chunk(b"cICP", bytes([9, 16, 0, 1]))
GAMMA = Chunk(b"gAMA", (45_455).to_bytes(4, "big"))
SRGB = Chunk(b"sRGB", b"\0")
SECRET = "Zurich 4711"
XMP_TEXT = Chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<a/>")


def read(file: BinaryIO) -> tuple[list[Chunk], list[str]]:
    found = read_chunks(file)
    assert not found.profiles
    return found.chunks, found.warnings


def text(keyword: str, content: str) -> Chunk:
    return Chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + content.encode("latin-1"))


def packed(keyword: str, content: bytes) -> Chunk:
    return Chunk(b"zTXt", keyword.encode() + b"\0\0" + zlib.compress(content))


def international(keyword: str, content: str, *, is_packed: bool = False, translated: str = "") -> Chunk:
    flag, body = (b"\1", zlib.compress(content.encode())) if is_packed else (b"\0", content.encode())
    return Chunk(b"iTXt", keyword.encode() + b"\0" + flag + f"\0de\0{translated}\0".encode() + body)


def all_forms(keyword: str, content: str) -> list[Chunk]:
    forms = [international(keyword, content, is_packed=is_packed) for is_packed in (False, True)]
    return [text(keyword, content), packed(keyword, content.encode("latin-1")), *forms]


def png(*chunks: Chunk, size: int = 8, last: bool = False) -> io.BytesIO:
    """A PNG with chunks behind its head, or before its end."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), (1, 2, 3)).save(file, "PNG")
    whole, inside = file.getvalue(), b"".join(chunk.written for chunk in chunks)
    place = -12 if last else 33
    return io.BytesIO(whole[:place] + inside + whole[place:])


def opened(file: io.BytesIO) -> Image.Image:
    image = Image.open(io.BytesIO(file.getvalue()))
    image.load()
    return image


def kinds(file: io.BytesIO) -> list[bytes]:
    content, found, place = file.getvalue(), [], 8
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        kind, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        assert content[place : place + 12 + length] == Chunk(kind, data).written
        found.append(kind)
        place += 12 + length
    return found


KEYWORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=79).filter(
    lambda word: not word.lower().startswith(("raw profile type ", "exif:", "thumb::", "xml:com.adobe.xmp"))
)
CHUNKS = st.lists(
    st.builds(text, KEYWORDS, st.text(st.characters(max_codepoint=255, exclude_characters="\0"), max_size=30))
    | st.builds(packed, KEYWORDS, st.binary(max_size=30))
    | st.builds(international, KEYWORDS, st.text(max_size=30).filter(lambda said: said.isprintable())),
    max_size=5,
)


@given(CHUNKS, st.booleans())
def test_texts_are_carried_byte_for_byte(chunks: list[Chunk], last: bool) -> None:
    source = png(XMP_TEXT, TIME, *chunks, last=last)
    found, warnings = read(source)
    assert (found, warnings) == ([TIME, *chunks], [])
    target = png(size=16)
    insert_chunks(target, found)
    assert read(target) == (found, [])
    assert kinds(target) == [b"IHDR", b"IDAT", *(chunk.kind for chunk in found), b"IEND"]
    assert opened(target).size == (16, 16)


@pytest.mark.parametrize("block", [5, 16, 1_000_000])
@pytest.mark.parametrize("there", [[], [SRGB], [GAMMA, SRGB, text("Title", "t" * 50)]])
def test_colour_is_put_at_the_head(block: int, there: list[Chunk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_file, "_BLOCK", block)
    target = png(*there, size=64)
    pixels = opened(target).tobytes()
    insert_chunks(target, [CICP, SRGB, TIME])
    kept = [chunk.kind for chunk in there if chunk.kind != b"sRGB"]
    assert kinds(target) == [b"IHDR", b"cICP", b"sRGB", *kept, b"IDAT", b"tIME", b"IEND"]
    assert opened(target).tobytes() == pixels


@pytest.mark.parametrize("block", [5, 1_000_000])
def test_a_shorter_head(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_file, "_BLOCK", block)
    target = png(SRGB, SRGB, SRGB, size=64)
    pixels = opened(png(size=64)).tobytes()
    insert_chunks(target, [SRGB])
    assert kinds(target) == [b"IHDR", b"sRGB", b"IDAT", b"IEND"]
    assert opened(target).tobytes() == pixels


def test_colour_behind_the_pixels_says_nothing() -> None:
    assert read(png(CICP, GAMMA)) == ([CICP, GAMMA], [])
    assert read(png(CICP, GAMMA, TIME, last=True)) == ([TIME], [])


@pytest.mark.parametrize("chunk", [TIME, CICP, GAMMA, text("Title", "t"), international("Title", "t")])
def test_a_wrong_checksum_costs_the_chunk(chunk: Chunk) -> None:
    content = bytearray(png(chunk, text("Author", "a")).getvalue())
    content[33 + 8] ^= 1
    found, warnings = read(io.BytesIO(content))
    assert found == [text("Author", "a")]
    assert warnings == [f"dropped its PNG chunk {chunk.kind.decode()}, whose checksum is wrong"]


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        *((Chunk(kind, b"\0" * 100), "damaged") for kind in sorted(COLOUR - {PROFILE})),
        (Chunk(b"tIME", b""), "damaged"),
        (Chunk(b"tEXt", b"no end"), "damaged"),
        (Chunk(b"tEXt", b"k" * 80 + b"\0text"), "damaged"),
        (Chunk(b"zTXt", b"key\0\0broken"), "damaged"),
        (Chunk(b"zTXt", b"key\0\0" + zlib.compress(b"cut off")[:-1]), "damaged"),
        (Chunk(b"zTXt", b"key\0\1" + zlib.compress(b"odd method")), "damaged"),
        (Chunk(b"iTXt", b"key\0\0\0de"), "damaged"),
        (Chunk(b"iTXt", b"key\0\2\0de\0\0text"), "damaged"),
        (packed("bomb", b"\0" * 5_000_000), "too long"),
        (international("bomb", "\0" * 5_000_000, is_packed=True), "too long"),
        (text("long", "x" * 5_000_000), "5,000,005 bytes"),
        (text("Raw profile type exif", "\nexif\n 4\n000000"), "of the picture before"),
        (text("Raw profile type exif", "\nexif\n"), "of the picture before"),
        (text("exif:GPSLatitude", "47/1"), "of the picture before"),
    ],
)
def test_damage_costs_the_chunk_and_is_said(chunk: Chunk, said: str) -> None:
    found, warnings = read(png(chunk, text("Author", "a")))
    assert found == [text("Author", "a")]
    assert len(warnings) == 1 and said in warnings[0]


@pytest.mark.parametrize(
    "chunks",
    [[text("k", "")] * 20_000, [packed("bomb", b"\0" * 5_000_000)] * 1_000, [packed("k", b"\0" * 3_999_000)] * 400],
)
def test_many_texts_are_bounded(chunks: list[Chunk]) -> None:
    started = time.monotonic()
    found, warnings = read(png(*chunks))
    assert len(found) <= 500
    assert "some of its PNG texts are left out, for there are too many" in warnings
    assert time.monotonic() - started < GENEROUS


@pytest.mark.parametrize(
    "keyword", ["Location", "City", "GPS", "latitude", "Where", "odd", "exif:GPSLatitude", "Place taken", "Trip"]
)
def test_texts_of_unknown_keywords_go_with_the_location(keyword: str) -> None:
    kept = all_forms("parameters", "a lake, Steps: 40, CFG scale: 7.5, Size: 512x512, Latent: 1")
    assert without_location([TIME, CICP, *all_forms(keyword, SECRET), *kept]) == [TIME, CICP, *kept]


@pytest.mark.parametrize("said", ["47.3769, 8.5417", "geo:lat=47", "47° 22'", '{"lon": 8.5, "lat": 47.4}', "8.541 E"])
@pytest.mark.parametrize("keyword", ["Title", "Comment", "Description", "TITLE"])
def test_texts_with_coordinates_go_with_the_location(keyword: str, said: str) -> None:
    assert without_location(all_forms(keyword, said)) == []
    assert without_location([international(keyword, "x", translated=said)]) == []
    assert without_location(all_forms(keyword, "a lake at noon")) == all_forms(keyword, "a lake at noon")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    whole = png(TIME, GAMMA, text("Title", "t")).getvalue()
    for tried in (content, SIGNATURE + content, whole[:33] + content + whole[33:], whole[: len(content)]):
        for do in DOES:
            with suppress(PngError):
                do(io.BytesIO(tried))


DOES: list[Callable[[io.BytesIO], object]] = [read, lambda file: insert_chunks(file, [TIME, CICP])]


@given(st.sampled_from([b"tEXt", b"zTXt", b"iTXt", b"tIME", b"cICP"]), st.binary(max_size=100))
def test_any_data_is_read_or_left_out(kind: bytes, data: bytes) -> None:
    found, warnings = read(png(Chunk(kind, data)))
    assert len(found) + len(warnings) == 1 or data.startswith(b"XML:com.adobe.xmp\0")
    assert set(without_location(found)) <= set(found)


@given(st.binary(min_size=1, max_size=200), st.sampled_from(["exif", "iptc", "xmp", "odd"]))
def test_metadata_in_texts_is_read(content: bytes, name: str) -> None:
    broken = "\n".join(content.hex()[start : start + 72] for start in range(0, len(content) * 2, 72))
    of_imagemagick = text(f"Raw profile type {name}", f"\n{name}\n{len(content):8}\n{broken}\n")
    for chunk in (of_imagemagick, profile_chunk(name, content)):
        assert read_chunks(png(chunk, TIME)) == Found([TIME], {name: content}, [])


def test_a_file_that_is_cut_off_gives_what_comes_before() -> None:
    content = png(TIME, text("Title", "t")).getvalue()
    assert read(io.BytesIO(content[:60])) == ([TIME], [])
    with pytest.raises(PngError):
        insert_chunks(io.BytesIO(content[:60]), [TIME])


def test_a_real_file(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(png(size=32).getvalue())
    with (tmp_path / "x.png").open("r+b") as file:
        insert_chunks(file, [CICP, text("Title", "t")])
    with Image.open(tmp_path / "x.png") as image:
        image.load()
        assert image.info == {"Title": "t"}
