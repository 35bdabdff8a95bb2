"""Untrusted names in the storage: nothing is read or written outside the intended folder."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cluster import storage
from cluster.errors import StorageError
from cluster.uploader import Uploader
from cluster.workplace import fetch
from feature_pipeline import shards
from feature_pipeline.errors import FeatureError
from upscaler.relative_names import stays_inside

OUTSIDE = [
    "../x", "../../x", "a/../../x", "a/..", "..", ".", "./x", "a/./x", "/etc/x", "//x", "a//x", "", "/",
    "..\\x", "a\\..\\..\\x", "C:\\x", "C:x", "\\\\server\\x", "a\0b", "a\nb", "\x7f", "a" * 1025, "\ud800",
]  # fmt: skip
parts = st.sampled_from(["..", ".", "", "a", "b.tar", " ", "...", "~", "C:", "a\\b", "..\\..", "\t", "é"]) | st.text(
    max_size=4
)
names = st.builds("/".join, st.lists(parts, min_size=1, max_size=6))


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_name_that_could_leave_its_folder_is_refused(name: str) -> None:
    assert not stays_inside(name)
    with pytest.raises(StorageError, match="is not a storage name"):
        storage.checked(name)


@pytest.mark.parametrize("name", ["a", "shards/train_0/train_0-00000.tar", "a b/..c/d..", "...", "~", "é", "runs/a:b"])
def test_other_names_are_accepted(name: str) -> None:
    assert storage.checked(name) == name


@given(name=names)
def test_an_accepted_name_stays_in_the_folder(name: str) -> None:
    if stays_inside(name):
        assert os.path.normpath(f"/folder/{name}") == str(Path("/folder", name)) == f"/folder/{name}"


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_symlink() or path.is_file()}


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a node's working folder, three folders deep, so that some `..` stay within the test's folder."""
    here = tmp_path / "1" / "2" / "3"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    yield here


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=names)
@example(name="../../x")
@example(name="../train_1/x")
def test_no_key_of_a_bucket_is_written_outside(name: str, bucket: str, fetched: Path, tmp_path: Path) -> None:
    client = boto3.client("s3")
    _, _, prefix = bucket.removeprefix("s3://").partition("/")
    key = f"{prefix}/shards/train_0/{name}"
    try:
        client.put_object(Bucket="storage", Key=key, Body=b"x")
    except Exception:  # the server or its client refuses the name
        return
    shared = storage.at(bucket)
    shutil.rmtree(fetched / "shards", ignore_errors=True)
    before = tree(tmp_path)
    takes: list[Callable[[], object]] = [lambda: fetch(shared, Path("shards/train_0")), lambda: mirror(shared)]
    for take in takes:
        try:
            take()
        except StorageError as error:
            assert "\n" not in str(error)
        new = tree(tmp_path) - before
        assert [path for path in new if not path.startswith("1/2/3/shards/train_0/")] == []
    client.delete_object(Bucket="storage", Key=key)


def mirror(shared: storage.Storage) -> None:
    with Uploader(shared, Path("shards/train_0")):
        pass


@pytest.fixture(params=["folder", "bucket"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> storage.Storage:
    place = str(tmp_path / "shared") if request.param == "folder" else str(request.getfixturevalue("bucket"))
    return storage.at(place)


@pytest.mark.parametrize("name", ["../x", "{absolute}", "a//x", "a\\x", "a/../../x", "a\0"])
def test_no_such_name_is_asked_for_or_given(shared: storage.Storage, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    name = name.format(absolute=tmp_path / "x")
    for call in (
        lambda: shared.put(tmp_path / "file", name),
        lambda: shared.get(name, tmp_path / "got"),
        lambda: shared.remove(name),
        lambda: shared.sizes(name),
    ):
        with pytest.raises(StorageError, match="is not a storage name"):
            call()
    assert tree(tmp_path) == {"file"}


def test_a_console_s_mark_of_a_folder_is_no_file(bucket: str) -> None:
    shared = storage.at(bucket)
    _, _, prefix = bucket.removeprefix("s3://").partition("/")
    for key in ("shards/", "shards/sub/"):
        boto3.client("s3").put_object(Bucket="storage", Key=f"{prefix}/{key}", Body=b"")
    assert shared.sizes("shards") == {}


def test_links_in_a_shared_folder_are_refused(tmp_path: Path) -> None:
    root, secret = tmp_path / "shared", tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (root / "shards").mkdir(parents=True)
    shared = storage.at(str(root))
    (root / "shards" / "file").symlink_to(secret / "key")
    (root / "folder").symlink_to(secret)
    for call in (
        lambda: shared.sizes("shards"),
        lambda: shared.get("shards/file", tmp_path / "got"),
        lambda: shared.get("folder/key", tmp_path / "got"),
        lambda: shared.put(secret / "key", "folder/new"),
        lambda: shared.remove("folder/key"),
    ):
        with pytest.raises(StorageError, match="is or passes through a link"):
            call()
    assert tree(tmp_path) == {"secret/key", "shared/shards/file", "shared/folder"}


def test_a_link_is_not_uploaded(shared: storage.Storage, fetched: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    with pytest.raises(StorageError, match="is a link"), Uploader(shared, Path("runs")):
        Path("runs").mkdir()
        Path("runs/x").symlink_to(tmp_path / "secret")
    assert shared.sizes("runs") == {}


@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "a/b.tar", "a\\b", ""])
def test_a_record_that_names_a_file_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    record = shards.ShardRecord.model_construct(file=name, bytes=0, sha256="0", samples=(), pictures=())
    (tmp_path / "0.json").write_text(record.model_dump_json())
    with pytest.raises(FeatureError, match=r"file: .*not a file name in the same folder"):
        shards.read_record(tmp_path / "0.json")
