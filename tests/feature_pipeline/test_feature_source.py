"""Streaming of a part: every file arrives once, whatever the connection does."""

import gzip
import random
from contextlib import closing
from pathlib import Path

import pytest

from feature_pipeline import source
from feature_pipeline.config import part_names
from feature_pipeline.errors import FeatureError
from feature_pipeline.source import PartStream
from feature_pipeline.tar import File
from support.faulty_bucket import Bucket, Fault, serve
from support.parts import part, photo, tar_gz
from support.tls import context

PICTURES = 6
PART = part(PICTURES)


def stream_files(bucket: Bucket, skipped: int = 0, name: str = "train_0") -> list[File]:
    with (
        closing(source.connect(bucket.endpoint_url, timeout=0.3)) as client,
        PartStream(client, name, backoff=0.001) as stream,
    ):
        return list(source.files(stream, skipped))


EXPECTED = [File(f"{n:016x}.jpg", len(photo(n)), photo(n)) for n in range(PICTURES)]


@pytest.mark.parametrize(
    "faults",
    [
        [],
        ["reset"] * 5,
        ["stall"],
        ["503", "500", "503"],
        ["short"] * 5,
        ["503", "reset", "503", "short", "stall", "500", "short", "reset", "reset"],
    ],
    ids=lambda faults: "+".join(faults) or "none",
)
def test_dropped_connections_change_nothing(faults: list[Fault]) -> None:
    with serve(Bucket({"train_0": PART}, list(faults))) as bucket:
        assert stream_files(bucket) == EXPECTED
    assert not bucket.faults
    dropped = sum(fault in ("reset", "stall", "short") for fault in faults)
    starts = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in bucket.ranges if asked]
    assert len(starts) <= dropped  # a drop before the first byte starts again
    assert starts == sorted(starts)


def test_a_dropped_download_resumes_at_its_next_byte() -> None:
    with serve(Bucket({"train_0": PART}, ["short"])) as bucket:
        stream_files(bucket)
    assert bucket.ranges == ["", f"bytes={len(PART) // 3}-"]


def test_a_corrupted_tls_record_is_a_dropped_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls = context(tmp_path / "certificate.pem")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "certificate.pem"))
    with serve(Bucket({"train_0": PART}, ["garbled", "garbled"]), tls) as bucket:
        assert stream_files(bucket) == EXPECTED
    assert not bucket.faults


def test_skipped_files_are_left_out() -> None:
    with serve(Bucket({"train_0": PART})) as bucket:
        assert stream_files(bucket, skipped=4) == EXPECTED[4:]


def test_the_attempts_have_a_limit() -> None:
    with serve(Bucket({"train_0": PART}, always=503)) as bucket, pytest.raises(FeatureError, match="answers 503"):
        stream_files(bucket)


@pytest.mark.parametrize(("status", "message"), [(403, "is denied"), (404, "does not exist"), (412, "changed")])
def test_a_refusal_is_not_asked_again(status: int, message: str) -> None:
    with serve(Bucket({}, always=status)) as bucket, pytest.raises(FeatureError, match=message):
        stream_files(bucket)


def test_a_part_that_changes_is_not_mixed() -> None:
    with (
        serve(Bucket({"train_0": PART}, ["short"])) as bucket,
        closing(source.connect(bucket.endpoint_url)) as client,
        PartStream(client, "train_0", backoff=0) as stream,
    ):
        stream.read(10)
        bucket.parts["train_0"] = part(PICTURES, first=10)
        with pytest.raises(FeatureError, match="changed during the download"):
            stream.read()


def test_a_server_without_ranges_is_refused() -> None:
    faults: list[Fault] = ["short", "no range"]
    with serve(Bucket({"train_0": PART}, faults)) as bucket, pytest.raises(FeatureError, match="Range"):
        stream_files(bucket)


def _wrong_checksum() -> bytes:
    return PART[:-8] + bytes([PART[-8] ^ 1]) + PART[-7:]


@pytest.mark.parametrize(
    "content",
    [
        PART[: len(PART) // 2],
        PART[:-4],
        _wrong_checksum(),
        gzip.compress(gzip.decompress(PART)[: 40 * 512 + 100]),
        b"no gzip at all",
        gzip.compress(random.Random(0).randbytes(5000)),
    ],
    ids=["cut", "cut in the trailer", "checksum", "tar cut", "no gzip", "no tar"],
)
def test_a_broken_part_is_one_sentence(content: bytes) -> None:
    with serve(Bucket({"train_0": content})) as bucket, pytest.raises(FeatureError, match="the part is broken"):
        stream_files(bucket)


def test_a_huge_file_is_not_read_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "MAX_FILE_BYTES", 100)
    with serve(Bucket({"train_0": tar_gz({"a.jpg": b"x" * 101, "b.jpg": b"x"})})) as bucket:
        assert stream_files(bucket) == [File("a.jpg", 101, None), File("b.jpg", 1, b"x")]


def test_parts_are_named_as_in_the_bucket() -> None:
    assert part_names(["0", "a", "test", "0"]) == ("train_0", "train_a", "test")
    assert len(part_names(["3", "all"])) == 18


def test_a_missing_profile_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of another machine")
    with pytest.raises(FeatureError, match="check AWS_PROFILE"):
        source.connect(None)
