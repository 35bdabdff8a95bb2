"""IPTC is carried byte for byte, without what is of the small picture, and without places if they are to go."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, IptcImagePlugin

from upscaler.pictures.iptc import HEADER, IptcError, read_iptc

PLACES = [26, 27, 90, 92, 95, 100, 101]
SECRET = b"Zurich 4711"


def dataset(number: int, data: bytes, record: int = 2) -> bytes:
    length = len(data).to_bytes(2, "big") if len(data) < 0x8000 else b"\x80\4" + len(data).to_bytes(4, "big")
    return bytes([0x1C, record, number]) + length + data


def resource(kind: int, data: bytes, name: bytes = b"", signature: bytes = b"8BIM") -> bytes:
    title = bytes([len(name)]) + name
    head = signature + kind.to_bytes(2, "big") + title + b"\0" * (len(title) % 2) + len(data).to_bytes(4, "big")
    return head + data + b"\0" * (len(data) % 2)


UTF_8 = dataset(90, b"\x1b%G", record=1)
CAPTION, KEYWORDS = dataset(120, "Übersicht".encode()), dataset(25, b"lake") + dataset(25, b"boat")
PREVIEW = dataset(200, b"\0\1") + dataset(202, b"\xff\xd8 small \xff\xd9")
DATASETS = st.lists(
    st.builds(dataset, st.integers(0, 199), st.binary(max_size=40) | st.just(b"long " * 8_000)),
    max_size=6,
).map(b"".join)


@given(DATASETS)
def test_datasets_are_carried_byte_for_byte(iim: bytes) -> None:
    assert read_iptc(iim + b"\0\0\0", remove_location=False).iim == iim
    found = read_iptc(HEADER + resource(0x0404, iim, b"odd"), remove_location=False)
    assert found.iim == iim
    assert read_iptc(found.app13, remove_location=False) == found
    assert read_iptc(found.resources, remove_location=False) == found


@pytest.mark.parametrize("kind", [0x0409, 0x040C, 0x03ED, 0x0422, 0x0424, 0x040F, 0x0408, 0x041A, 0x07D0, 0x0BB7])
def test_what_is_of_the_small_picture_is_left_out(kind: int) -> None:
    content = HEADER + resource(kind, b"small") + resource(0x0404, PREVIEW + CAPTION) + resource(kind, b"small", b"n")
    found = read_iptc(content, remove_location=False)
    assert found.app13 == HEADER + resource(0x0404, CAPTION)


def test_copyright_is_carried_and_a_digest_of_the_same_datasets() -> None:
    others = resource(0x040A, b"\1") + resource(0x040B, b"https://example.org", b"name")
    content = HEADER + resource(0x0425, b"x" * 16) + resource(0x0404, CAPTION) + others
    assert read_iptc(content, remove_location=False).others == resource(0x0425, b"x" * 16) + others
    content = HEADER + resource(0x0425, b"x" * 16) + resource(0x0404, dataset(90, SECRET) + CAPTION) + others
    assert read_iptc(content, remove_location=True).others == others
    assert read_iptc(HEADER + resource(0x0425, b"x" * 16), remove_location=False).app13 == b""


@given(st.permutations([dataset(place, SECRET) for place in PLACES] + [UTF_8, CAPTION, KEYWORDS]))
def test_places_go(parts: list[bytes]) -> None:
    iim = b"".join(parts)
    found = read_iptc(iim, remove_location=True).iim
    assert SECRET not in found
    assert sorted(found) == sorted(UTF_8 + CAPTION + KEYWORDS)
    assert read_iptc(iim, remove_location=False).iim == iim


@pytest.mark.parametrize("record", range(3, 10))
def test_records_and_datasets_that_are_not_known_go_with_the_location(record: int) -> None:
    iim = dataset(5, SECRET, record) + dataset(118, SECRET) + dataset(199, SECRET) + CAPTION
    assert read_iptc(iim, remove_location=True).iim == CAPTION


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_coordinates_in_texts_go(encoding: str) -> None:
    keywords = [dataset(25, text.encode(encoding)) for text in ("geo:lat=47.37", "47° 22'", "lake")]
    assert read_iptc(b"".join(keywords), remove_location=True).iim == keywords[2]


def test_pillow_reads_the_result() -> None:
    found = read_iptc(HEADER + resource(0x0404, UTF_8 + CAPTION + KEYWORDS), remove_location=True)
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    jpeg = file.getvalue()
    segment = b"\xff\xed" + (len(found.app13) + 2).to_bytes(2, "big") + found.app13
    with Image.open(io.BytesIO(jpeg[:2] + segment + jpeg[2:])) as image:
        said = IptcImagePlugin.getiptcinfo(image)
    assert said is not None
    assert said[2, 120] == "Übersicht".encode()
    assert said[2, 25] == [b"lake", b"boat"]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_read_or_refused(content: bytes, remove_location: bool) -> None:
    for whole in (content, HEADER + content, HEADER + b"8BIM\4\4\0\0" + content, HEADER + resource(0x0404, content)):
        with suppress(IptcError):
            read_iptc(whole, remove_location=remove_location)
    with suppress(IptcError):
        read_iptc(b"\x1c\2" + content, remove_location=remove_location)


@pytest.mark.parametrize(
    "content",
    [
        b"odd",
        resource(0x0404, CAPTION)[:-2],
        resource(0x0404, CAPTION[:-1]),
        resource(0x0404, b"\x1c\2\x78\x80\x09" + b"\0" * 9 + CAPTION),
        resource(0x0404, b"\x1c\2"),
        b"8BIM\4\4\0\0\xff\xff\xff\xff",
        resource(0x0404, dataset(25, b"") * 30_000),
        resource(0x0BB7, b"") * 30_000,
    ],
)
def test_damage_is_refused(content: bytes) -> None:
    with pytest.raises(IptcError):
        read_iptc(content, remove_location=False)


def test_nothing_gives_nothing() -> None:
    assert read_iptc(b"", remove_location=False).app13 == b""
    assert read_iptc(HEADER + resource(0x0404, dataset(90, SECRET)), remove_location=True).app13 == b""
