"""Hostile tars, lists and shards: false sizes give one sentence in little memory."""

import csv
import gzip
import io
import json
import struct
import tarfile
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feature_pipeline import attribution, shards, source, tar
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import Attribution, PictureRecord
from feature_pipeline.shards import Entry, SampleSpans
from feature_pipeline.source import PartStream
from feature_pipeline.tar import File
from support.faulty_bucket import Bucket, Fault, serve
from support.memory import little_memory
from support.parts import part, tar_gz

MEGABYTE = 1 << 20
END = bytes(1024)


def header(name: str = "train_0/a.jpg", kind: bytes = tarfile.REGTYPE, size: int = 0, **fields: Any) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    for field, value in fields.items():
        setattr(member, field, value)
    return member.tobuf(tarfile.GNU_FORMAT)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % tarfile.BLOCKSIZE)


def zeros(megabytes: int) -> bytes:
    """Return a gzip bomb of zeros, a thousandth of their length; concatenated gzips are one."""
    return gzip.compress(bytes(MEGABYTE), mtime=0) * megabytes


def pax(**records: str) -> bytes:
    content = b""
    for key, value in records.items():
        record = f" {key}={value}\n".encode()
        length = len(record) + 2
        content += str(length + (length >= 100)).encode() + record
    return header("pax", tarfile.XHDTYPE, len(content)) + padded(content)


def files(content: bytes, faults: tuple[Fault, ...] = ()) -> list[File]:
    with (
        serve(Bucket({"train_0": content}, list(faults))) as bucket,
        closing(source.connect(bucket.endpoint_url, timeout=5)) as client,
        PartStream(client, "train_0", backoff=0.001) as stream,
    ):
        return list(source.files(stream))


def refusal(content: bytes) -> str:
    with little_memory(), pytest.raises(FeatureError) as refused:
        files(content)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
    return str(refused.value)


LONG = 100 * MEGABYTE
TARS = {
    "long name": (gzip.compress(header("n", tarfile.GNUTYPE_LONGNAME, LONG)) + zeros(100), "PAX header of 104,857,600"),
    "long link": (gzip.compress(header("n", tarfile.GNUTYPE_LONGLINK, LONG)) + zeros(100), "more than 10 times"),
    "PAX header": (gzip.compress(header("x", tarfile.XHDTYPE, LONG)) + zeros(100), "PAX header of 104,857,600"),
    "Solaris header": (gzip.compress(header("X", tarfile.SOLARIS_XHDTYPE, LONG)) + zeros(100), "PAX header of 104"),
    "global header": (gzip.compress(header("g", tarfile.XGLTYPE, LONG)) + zeros(100), "more than 10 times"),
    "file": (gzip.compress(header(size=LONG)) + zeros(100), "more than 10 times"),
    "nothing but its end": (zeros(100), "more than 10 times"),
    "zeros after the end": (tar_gz({"a.jpg": b"x"}) + zeros(100), "more than 10 times"),
    "folders": (gzip.compress(header("d", tarfile.DIRTYPE) * 2000) * 20, "more than 10 times"),
    "a name of 300 bytes": (
        gzip.compress(header("n", tarfile.GNUTYPE_LONGNAME, 301) + padded(b"n" * 300 + b"\0") + header() + END),
        "longer than 255 bytes",
    ),
    "2^62": (gzip.compress(header(size=2**62) + bytes(5000)), "an invalid size, 4611686018427387904 bytes"),
    "2^62 in a folder": (gzip.compress(header(kind=tarfile.DIRTYPE, size=2**62)), "an invalid size, 46116"),
    "2^62 in PAX": (gzip.compress(pax(size=str(2**62)) + header() + END), "an invalid size, 46116"),
    "negative": (gzip.compress(header(size=-5) + END), "an invalid size, -5 bytes"),
    "negative long name": (gzip.compress(header(kind=tarfile.GNUTYPE_LONGNAME, size=-512) + END), "size, -512 bytes"),
    "negative in PAX": (gzip.compress(pax(size="-5") + header() + END), "an invalid size, -5 bytes"),
    "no number in PAX": (gzip.compress(pax(size="x" * 90) + header() + END), "an invalid size, x"),
    "8 GB that are not there": (gzip.compress(header(size=2**33) + bytes(5000)), "ends within a member"),
    "sparse": (gzip.compress(header(kind=tarfile.GNUTYPE_SPARSE) + bytes(99 * 512)), "a sparse file"),
    "cut in its header": (gzip.compress(header()[:300]), "truncated header"),
    "cut in its name": (gzip.compress(header(kind=tarfile.GNUTYPE_LONGNAME, size=300) + b"n" * 9), "ends within"),
    "broken PAX": (gzip.compress(header(kind=tarfile.XHDTYPE, size=9) + padded(b"999999 a=") + END), "PAX header is"),
    "PAX of digits": (gzip.compress(header(kind=tarfile.XHDTYPE, size=4096) + b"9" * 4096 + END), "PAX header is"),
    "noise after a file": (gzip.compress(header() + b"noise" * 103), "the part is broken"),
    "empty": (gzip.compress(b""), "it is empty"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", TARS)
@pytest.mark.timeout(30)
def test_a_tar_out_of_bounds_is_refused_in_little_memory(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "SPARE_BYTES", 8 * MEGABYTE, raising=False)
    content, reason = TARS[name]
    assert reason in refusal(content)


def test_a_thousand_headers_before_a_file_are_no_recursion() -> None:
    name = header("n", tarfile.GNUTYPE_LONGNAME, 7) + padded(b"b.jpg\0\0")
    assert files(gzip.compress(name * 3000 + header(size=1) + padded(b"x") + END, 0)) == [File("b.jpg", 1, b"x")]


def test_members_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MAX_MEMBERS", 100)
    assert "more than 100 members" in refusal(gzip.compress(header() * 101 + END))


@pytest.mark.parametrize("kind", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_tars_of_each_format_are_read(kind: int) -> None:
    content = io.BytesIO()
    with tarfile.open(
        fileobj=content, mode="w", format=kind, encoding="utf-8", pax_headers={"comment": "global"}
    ) as made:
        for name in ("train_0/a.jpg", f"{'folder/' * 15}{'n' * 90}.jpg", "é.jpg"):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = 3, 1.5  # PAX writes it into records
            made.addfile(member, io.BytesIO(b"abc"))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        made.addfile(link)
    assert files(gzip.compress(content.getvalue())) == [
        File(name, 3, b"abc") for name in ("a.jpg", f"{'n' * 90}.jpg", "é.jpg")
    ]


@settings(max_examples=200)
@given(data=st.data())
def test_changed_bytes_of_a_tar_are_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(pax(path="p" * 50) + header(size=700) + bytes(1024) + header("b", size=1) + bytes(512) + END)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for offset in (0, 1024, 2560):  # valid checksums, or tarfile would refuse everything
        block = content[offset : offset + 512]
        block[148:156] = b" " * 8
        content[offset + 148 : offset + 156] = b"%06o\0 " % sum(block)
    try:
        found = list(tar.files(io.BytesIO(content), MEGABYTE))
    except tarfile.TarError:
        return
    assert all(0 <= file.size <= tar.MAX_MEMBER_BYTES and len(file.name.encode()) <= 255 for file in found)


@pytest.mark.parametrize("fault", ["no etag", "no length"])
def test_a_server_that_states_no_etag_or_no_length_is_refused(fault: Fault) -> None:
    with pytest.raises(FeatureError, match="sends no length or no ETag"):
        files(part(1), (fault,))


HEAD = "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title\n"


def listing(path: Path, *rows: str) -> Path:
    path.write_text(HEAD + "".join(rows), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "row",
    [
        "0a,train," + "x" * 50 * MEGABYTE,
        "0a,train," + "x," * 25 * MEGABYTE,
        "0a,train," + '"\n",' * 12 * MEGABYTE,
        '0a,train,"' + "x\n" * 25 * MEGABYTE,
    ],
    ids=["field", "fields", "fields on lines of their own", "quote without end"],
)
def test_a_row_without_end_is_refused_in_little_memory(tmp_path: Path, row: str) -> None:
    path = listing(tmp_path / "list.csv", row)
    with little_memory(), pytest.raises(FeatureError, match="is not a CSV file") as refused:
        attribution.read([path], "train_0")
    assert "\n" not in str(refused.value)


def test_a_list_that_says_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution, "MAX_KEPT", 1000)
    path = listing(tmp_path / "list.csv", *(f"0{n},train,,l,l,p,a,{'t' * 90}\n" for n in range(20)))
    with pytest.raises(FeatureError, match=r"has over .* characters on train_0"):
        attribution.read([path], "train_0")


def test_a_row_that_ends_too_early_belongs_to_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(HEAD.replace("ImageID,Subset", "Subset,ImageID") + "train\n")
    assert attribution.read([path], "train_0") == {}


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "x\r=1"])
def test_no_cell_of_the_credits_is_a_formula(tmp_path: Path, cell: str) -> None:
    credit = Attribution(license=cell, author=cell, author_profile=cell, title=cell, landing_page=cell)
    attribution.write_csv(tmp_path / "a.csv", [PictureRecord(name=f"{cell}.jpg", attribution=credit)])
    with (tmp_path / "a.csv").open(newline="") as file:
        (row,) = list(csv.reader(file))[1:]
    assert [value for value in row if value.lstrip()[:1] in tuple("=+-@")] == []
    assert len(row) == 7


def lying_png(width: int, height: int) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)), (b"IDAT", b""), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


@pytest.mark.parametrize(
    ("content", "span"),
    [
        (b"", (0, 2**62)),
        (b"", (2**62, 1)),
        (b"", (2**70, 1)),
        (lying_png(9_000, 9_000), None),
        (lying_png(60_000, 60_000), None),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", None),
    ],
)
def test_a_sample_out_of_bounds_is_refused(tmp_path: Path, content: bytes, span: tuple[int, int] | None) -> None:
    (tmp_path / "0.tar").write_bytes(content)
    place = span or (0, len(content))
    entry = Entry(tmp_path / "0.tar", SampleSpans(key="a", large=place, info=place, small=place))
    with little_memory(), pytest.raises(FeatureError, match=r"sample a in .* cannot be read"):
        shards.load(entry)


def test_a_record_that_is_too_long_or_nested_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ("[" * 100_000, json.dumps({"x" * 5000: 1}), '{"bytes": -1}'):
        (tmp_path / "0.json").write_text(content)
        with pytest.raises(FeatureError, match=r"0\.json: .*; make the shards again") as refused:
            shards.read_record(tmp_path / "0.json")
        assert len(str(refused.value)) < 500
    monkeypatch.setattr(shards, "MAX_JSON_BYTES", 10)
    with pytest.raises(FeatureError, match="longer than 10 bytes"):
        shards.read_record(tmp_path / "0.json")
