"""Batches in a bucket, by workers of this machine and on a Ray cluster: the same bytes as single commands."""

import io
import multiprocessing
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import botocore.client
import pytest
from botocore.exceptions import ClientError
from PIL import Image
from ray.cluster_utils import Cluster

from batch_pipeline import bucket as buckets
from batch_pipeline import chunks, crew, run
from batch_pipeline.catalogue import Task
from batch_pipeline.config import BatchConfig
from batch_pipeline.errors import AppearedError
from batch_pipeline.places import at
from batch_pipeline.report import SEGMENTS, Record, SegmentedReport
from cluster.engine import Engine
from cluster.errors import StorageError
from support.pictures import photo_like
from support.ray_cluster import add_node
from upscaler import Upscaler, double_file

NAMES = tuple(f"{folder}{n}.png" for folder in ("", "b b/ü/") for n in range(6))


@pytest.fixture
def archive(bucket: str, tmp_path: Path, tiny_model: Path) -> dict[str, bytes]:
    """Fill `bucket`/in with pictures, a broken one, and one that is none; return the expected results."""
    upscaler, expected = Upscaler.load(str(tiny_model)), {}
    for seed, name in enumerate(NAMES):
        content = io.BytesIO()
        Image.fromarray(photo_like(12, 16, seed)).save(content, "PNG")
        put(f"{bucket}/in/{name}", content.getvalue())
        (tmp_path / "one.png").write_bytes(content.getvalue())
        list(double_file(upscaler, tmp_path / "one.png", tmp_path / "doubled.png"))
        expected[name] = (tmp_path / "doubled.png").read_bytes()
    put(f"{bucket}/in/broken.png", b"\x89PNG")
    put(f"{bucket}/in/notes.txt", b"no picture")
    put(f"{bucket}/in//twice.png", b"")
    put(f"{bucket}/in/folder/", b"")
    return expected


def put(address: str, content: bytes) -> None:
    bucket, _, key = address.removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=content)


def contents(address: str) -> dict[str, bytes]:
    place, found = at(address), {}
    for entry in place.entries():
        with place.reading(entry.name) as path:
            found[entry.name] = path.read_bytes()
    return found


def results(address: str) -> tuple[dict[str, bytes], list[Record]]:
    """Return the results, and the records of the report."""
    found = contents(address)
    report = b"".join(content for name, content in found.items() if name.startswith(SEGMENTS))
    records = [Record.model_validate_json(line) for line in report.splitlines()]
    return {name: content for name, content in found.items() if not name.startswith(SEGMENTS)}, records


def config(bucket: str, model: Path, engine: Engine) -> BatchConfig:
    return BatchConfig(source=f"{bucket}/in", out=f"{bucket}/out", model=str(model), workers=1, engine=engine)


@pytest.mark.slow
def test_a_bucket_that_refuses_and_loses_pictures_in_between_costs_only_the_lost_one(
    bucket: str, archive: dict[str, bytes], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = botocore.client.BaseClient
    requests = client._make_api_call
    faults = {"0.png": ("404", 1), "2.png": ("503", 1)}

    def answer(self: Any, operation: str, arguments: Any) -> Any:
        name = arguments.get("Key", "").rpartition("/in/")[2]
        code, left = faults.get(name, ("", 0))
        if operation == "HeadObject" and left:
            faults[name] = (code, left - 1)
            raise ClientError({"Error": {"Code": code}}, operation)
        return requests(self, operation, arguments)

    monkeypatch.setattr(client, "_make_api_call", answer)
    one = config(bucket, tiny_model, Engine())
    assert run.run(one) == 1
    made, records = results(one.out)
    assert made == {name: archive[name] for name in NAMES if name not in faults}
    reasons = {record.source: record.reason for record in records if record.error}
    assert reasons == {
        "0.png": "gone",
        "2.png": "storage",
        "broken.png": "UnknownFormatError",
        "/twice.png": "unusable name",
    }
    assert run.run(one) == 1  # tries the storage again
    made, again = results(one.out)
    assert made.keys() == {*NAMES} - {"0.png"}
    assert [record.source for record in again[len(records) :]] == ["2.png"]


def test_a_result_that_appears_meanwhile_is_not_replaced(bucket: str) -> None:
    put(f"{bucket}/out/a.png", b"first")
    with pytest.raises(FileExistsError), at(f"{bucket}/out").writing("a.png") as path:
        path.write_bytes(b"second")
    assert contents(f"{bucket}/out") == {"a.png": b"first"}


def test_a_large_result_is_stored_in_parts_and_replaces_none(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "_PART", 5 * 1024**2)  # the least that S3 takes
    content, out, client = bytes(range(256)) * 24_000, f"{bucket}/out", boto3.client("s3")
    with at(out).writing("a b/ü.tif") as path:
        path.write_bytes(content)
    key = f"{out.partition('storage/')[2]}/a b/ü.tif"
    assert client.head_object(Bucket="storage", Key=key)["ETag"].endswith('-2"')  # parts
    with pytest.raises(FileExistsError), at(out).writing("a b/ü.tif") as path:
        path.write_bytes(content[::-1])
    assert contents(out) == {"a b/ü.tif": content}
    assert client.list_multipart_uploads(Bucket="storage").get("Uploads", []) == []


@pytest.mark.parametrize(
    ("operation", "part", "code"),
    [
        ("PutObject", buckets._PART, "PreconditionFailed"),
        ("CompleteMultipartUpload", 5 * 1024**2, "PreconditionFailed"),
        ("CompleteMultipartUpload", 5 * 1024**2, "NoSuchUpload"),
    ],
)
def test_a_result_is_stored_if_the_answer_is_lost_and_the_repeated_request_refused(
    bucket: str, monkeypatch: pytest.MonkeyPatch, operation: str, part: int, code: str
) -> None:
    client: Any = botocore.client.BaseClient
    requests, lost = client._make_api_call, list[str]()

    def answer(self: Any, asked: str, arguments: Any) -> Any:
        answered = requests(self, asked, arguments)
        if asked == operation:
            lost.append(asked)
            raise ClientError({"Error": {"Code": code}}, asked)  # of the request that botocore repeats
        return answered

    monkeypatch.setattr(client, "_make_api_call", answer)
    monkeypatch.setattr(buckets, "_PART", part)
    content = bytes(6 * 1024**2)
    with at(bucket).writing("a.tif") as path:
        path.write_bytes(content)
    assert lost == [operation]
    assert contents(bucket) == {"a.tif": content}
    with pytest.raises((AppearedError, StorageError)), at(bucket).writing("a.tif") as path:
        path.write_bytes(content)  # another's, if with the same bytes


def test_a_bucket_is_listed_page_by_page(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[int] = []

    class Paginator:
        def paginate(self, **_: str) -> Iterator[dict[str, Any]]:
            for page in range(3):
                pages.append(page)
                yield {"Contents": [{"Key": f"{bucket.partition('/')[2][len('/storage/') :]}/{page}.png", "Size": 1}]}

    place = buckets.Bucket(bucket)
    monkeypatch.setattr(place._client, "get_paginator", lambda _: Paginator())
    assert next(iter(place.entries())).name == "0.png"
    assert pages == [0]


def test_chunks_hold_about_equal_pixels_and_few_pictures() -> None:
    large, small = Task("a.jpg", "a.jpg", 4_000_000), Task("b.jpg", "b.jpg", 1000)
    lengths = [len(chunk) for chunk in chunks.chunks(iter([*[large] * 6, *[small] * 120]))]
    assert lengths == [3, 3, 50, 50, 20]


def run_until_killed(config: BatchConfig) -> None:
    """Run a batch whose process is killed, as by the kernel, when the first result is to be reported."""
    with patch.object(chunks, "_LONGEST", 2), patch.object(SegmentedReport, "add", killed_by_a_result):
        run.run(config)


def killed_by_a_result(_: SegmentedReport, record: Record) -> None:
    if record.target:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_cluster_whose_driver_and_nodes_are_killed_gives_the_same_bytes(
    cluster: Cluster, bucket: str, archive: dict[str, bytes], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two nodes one does the work of both; without any, a warning says so, and a new one does the rest."""
    add, nodes = SegmentedReport.add, [add_node(cluster), add_node(cluster)]
    one = config(bucket, tiny_model, Engine("ray", cluster.address, bucket))
    driver = multiprocessing.get_context("spawn").Process(target=run_until_killed, args=(one,))
    driver.start()
    driver.join()
    assert driver.exitcode == -signal.SIGKILL
    before = results(one.out)[0].keys()
    assert before < archive.keys()

    added: list[str] = []

    def add_and_kill(self: SegmentedReport, record: Record) -> None:
        add(self, record)
        if record.target and nodes:
            cluster.remove_node(nodes.pop(), allow_graceful=False)

    def add_a_node(warning: str) -> None:
        added.append(warning)
        add_node(cluster)

    monkeypatch.setattr(chunks, "_LONGEST", 3)
    monkeypatch.setattr(crew, "_PATIENCE", 3.0)
    monkeypatch.setattr(crew._log, "warning", add_a_node)
    monkeypatch.setattr(SegmentedReport, "add", add_and_kill)
    assert run.run(replace(one, workers=2)) == 1
    found, records = results(one.out)
    assert not nodes
    assert added == ["no node of the cluster has room for an actor; add a node, or stop and run this again"]
    assert found == archive
    assert {record.source for record in records if not record.error} == archive.keys() - before
    assert {record.source for record in records if record.error} == {"broken.png", "/twice.png"}
