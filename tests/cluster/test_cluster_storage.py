"""Shared storage, and the mirroring of a folder to it."""

import errno
import os
import time
from pathlib import Path
from typing import Any

import pytest
from urllib3.exceptions import ProtocolError, SSLError
from urllib3.response import HTTPResponse

from batch_pipeline import bucket as batch_bucket
from cluster import storage, uploader
from cluster.engine import Engine
from cluster.errors import StorageError
from cluster.task import Task
from cluster.uploader import Uploader
from cluster.workplace import work_in
from training_pipeline.errors import TrainingError


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "shared") if request.param == "folder" else str(request.getfixturevalue("bucket"))


def write(path: Path, content: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def contents(place: str, folder: str, tmp_path: Path) -> dict[str, str]:
    shared = storage.at(place)
    found = {}
    for name in shared.sizes(folder):
        shared.get(f"{folder}/{name}", tmp_path / "got")
        found[name] = (tmp_path / "got").read_text()
    return found


def test_what_is_put_can_be_listed_fetched_and_removed(place: str, tmp_path: Path) -> None:
    shared = storage.at(place)
    shared.put(write(tmp_path / "a", "first"), "runs/0/a.json")
    shared.put(write(tmp_path / "a", "second"), "runs/0/a.json")
    shared.put(write(tmp_path / "a", "other"), "runs/01/b.json")
    assert shared.sizes("runs/0") == {"a.json": 6}
    assert contents(place, "runs/0", tmp_path) == {"a.json": "second"}
    shared.remove("runs/0/a.json")
    assert shared.sizes("runs/0") == {}


def test_a_storage_that_cannot_be_used_is_named(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"s3://missing/x/a cannot be used .*NoSuchBucket"):
        storage.at("s3://missing/x").put(write(tmp_path / "a", ""), "a")
    with pytest.raises(StorageError, match="names no bucket"):
        storage.at("s3://")


def test_a_corrupted_tls_record_is_one_sentence_and_leaves_no_half_file(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = storage.at(bucket)
    shared.put(write(tmp_path / "a", "first"), "a")

    def corrupted(self: HTTPResponse, *_: object, **__: object) -> bytes:
        self.close()  # as urllib3 does
        raise SSLError("bad record mac")

    monkeypatch.setattr(HTTPResponse, "read", corrupted)
    with pytest.raises(StorageError, match=r"/a cannot be used \(.*bad record mac\)"):
        shared.get("a", tmp_path / "got/a")
    assert list((tmp_path / "got").iterdir()) == []
    with pytest.raises(StorageError, match=r"/a cannot be used \(bad record mac\)"):
        batch_bucket.Bucket(bucket).head("a")


def test_a_connection_that_breaks_once_is_tried_again(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = storage.at(bucket)
    shared.put(write(tmp_path / "a", "first"), "a")
    read, broken = HTTPResponse.read, iter([True])

    def breaking(self: HTTPResponse, *arguments: Any, **options: Any) -> bytes:
        if self.headers.get("etag") and next(broken, False):
            self.close()  # as urllib3 does
            raise ProtocolError("connection broken")
        return read(self, *arguments, **options)

    monkeypatch.setattr(HTTPResponse, "read", breaking)
    shared.get("a", tmp_path / "got/a")
    assert (tmp_path / "got/a").read_text() == "first"


def test_work_finds_what_was_there_and_leaves_what_it_wrote(place: str, tmp_path: Path) -> None:
    shared = storage.at(place)
    shared.put(write(tmp_path / "a", "shard"), "shards/train_0/0.tar")
    shared.put(write(tmp_path / "a", "old"), "runs/0/old.pt")
    here = Path.cwd()

    def work() -> int:
        assert Path("shards/train_0/0.tar").read_text(encoding="utf-8") == "shard"
        assert Path("runs/0/old.pt").read_text(encoding="utf-8") == "old"
        Path("runs/0/old.pt").unlink()
        write(Path("runs/0/checkpoints/new.pt"), "new")
        write(Path("runs/0/.part-half.pt"), "half")
        return 7

    assert work_in(place, [Path("shards/train_0")], Path("runs/0"), work) == 7
    assert contents(place, "runs/0", tmp_path) == {"checkpoints/new.pt": "new"}
    assert Path.cwd() == here


def test_what_failed_half_way_is_kept(place: str, tmp_path: Path) -> None:
    def work() -> None:
        write(Path("runs/0/first.pt"), "first")
        raise TrainingError("no more")

    with pytest.raises(TrainingError, match="no more"):
        work_in(place, [], Path("runs/0"), work)
    assert contents(place, "runs/0", tmp_path) == {"first.pt": "first"}


def test_a_shard_leaves_its_length_here_and_its_bytes_there(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for tar in (Path("out/0.tar"), Path("out/1.tar")):  # the second round starts with the first shard in the storage
        with Uploader(storage.at(place), Path("out"), kept=lambda name: not name.endswith(".tar")):
            write(tar, "x" * 100_000)
            write(tar.with_suffix(".json"), "record")
        assert tar.stat().st_size == 100_000
        assert tar.stat().st_blocks == 0
    assert contents(place, "out", tmp_path) == {
        "0.json": "record", "0.tar": "x" * 100_000, "1.json": "record", "1.tar": "x" * 100_000,
    }  # fmt: skip


def test_files_arrive_while_the_work_goes_on_in_the_order_in_which_they_were_written(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(uploader, "EVERY", 0.05)
    shared = storage.at(bucket)
    arrived: list[str] = []
    put = shared.put

    def put_noted(path: Path, name: str) -> None:
        put(path, name)
        arrived.append(name)

    monkeypatch.setattr(shared, "put", put_noted)
    with Uploader(shared, Path("out")):
        for n, name in enumerate(["z.tar", "m.tar", "a.json"]):
            os.utime(write(Path("out") / name, name), ns=(0, 1000 + n))
        until = time.monotonic() + 60
        while len(arrived) < 3 and time.monotonic() < until:
            time.sleep(0.05)
        assert arrived == ["out/z.tar", "out/m.tar", "out/a.json"]


def test_a_file_that_changes_during_its_upload_is_uploaded_again(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(uploader, "EVERY", 60)  # only the copies below
    shared = storage.at(place)
    put = shared.put

    def put_and_change(path: Path, name: str) -> None:
        put(path, name)
        monkeypatch.setattr(shared, "put", put)
        write(path, "newest")

    monkeypatch.setattr(shared, "put", put_and_change)
    with Uploader(shared, Path("out")) as mirror:
        write(Path("out/best.pt"), "new")
        mirror.copy()
        assert contents(place, "out", tmp_path) == {"best.pt": "new"}
    assert contents(place, "out", tmp_path) == {"best.pt": "newest"}


def test_one_failed_task_stops_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    done = []

    def diverge() -> None:
        raise TrainingError("the loss is not finite")

    def fill_the_disk() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    tasks = [
        Task("train_0", "training", diverge),
        Task("train_1", "training", fill_the_disk),
        Task("train_2", "training", lambda: done.append(2)),
    ]
    failed = Engine().run(tasks)
    assert failed["train_0"] == "the loss is not finite"
    assert "the disk is full" in failed["train_1"]
    assert done == [2]
    assert "error: train_0: the loss is not finite" in capsys.readouterr().err


def test_ray_needs_storage() -> None:
    with pytest.raises(StorageError, match="give --storage"):
        Engine("ray")
