"""Lists of parts that are made as tasks: they are put into the storage."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster import storage, uploader
from cluster.engine import Engine
from cluster.uploader import Uploader
from feature_pipeline import attribution, shards, tasks
from feature_pipeline.config import FeatureConfig
from feature_pipeline.errors import FeatureError
from support.faulty_bucket import Bucket, serve
from support.parts import part
from support.shards import write_shard
from upscaler.atomic import atomic_path
from upscaler.model.artifact import sha256

LIST = (
    "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title\n"
    f"{0:016x},train,,https://example.org/0,CC BY 2.0,https://example.org/a,Ann 0,Photo 0\n"
)


def config(place: str, bucket: Bucket, *parts: str) -> FeatureConfig:
    return FeatureConfig(
        parts, Path("shards"), bucket.endpoint_url or None, tiles_per_image=1, metadata=(place,), workers=1
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a list in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.csv").write_text(LIST)
    return tmp_path


def test_a_list_beside_the_command_reaches_the_tasks(here: Path) -> None:
    with serve(Bucket({"train_0": part(1)})) as bucket:
        tasks.run(config("images.csv", bucket, "train_0"), Engine(storage=str(here / "storage")))
    (row,) = (here / "storage/shards/train_0/ATTRIBUTION.csv").read_text().splitlines()[1:]
    assert row.startswith(f"{0:016x},1,CC BY 2.0,Ann 0,")


def test_a_tar_that_is_uploaded_at_once_has_the_hash_of_its_bytes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def uploaded_at_once(path: Path) -> Iterator[Path]:
        with atomic_path(path) as temporary:
            yield temporary
        if path.suffix == ".tar":
            mirror.copy()

    monkeypatch.setattr(uploader, "EVERY", 60)
    monkeypatch.setattr(shards, "atomic_path", uploaded_at_once)
    with Uploader(storage.at(str(here / "storage")), Path("train_0"), kept=lambda name: name[-4:] != ".tar") as mirror:
        write_shard(Path("train_0"), pictures=1, tiles=1)
    (record,) = shards.finished(here / "storage/train_0")
    assert record.sha256 == sha256(here / "storage/train_0" / record.file)


def test_a_list_at_an_address_is_downloaded_once_for_all_parts_and_runs(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded: list[str] = []

    def download(address: str, target: Path, most: int) -> None:
        downloaded.append(address)
        target.write_text(LIST, encoding="utf-8")

    monkeypatch.setattr(attribution, "download", download)
    listed = config("https://example.org/images.csv", Bucket({}), "train_0", "train_1")
    for _ in range(2):
        assert len(tasks.tasks(listed, str(here / "storage"))) == 2
    assert downloaded == ["https://example.org/images.csv"]
    (shared,) = (here / "storage").rglob("*.csv")
    assert shared.read_text() == LIST


def test_downloads_of_killed_commands_are_removed_and_those_of_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attribution, "download", lambda address, target, most: target.write_text(LIST, "utf-8"))
    killed, folder, in_work = (tmp_path / f".part-{name}" for name in ("killed.csv", "killed", "in-work.csv"))
    for _ in range(2):  # also once the list is there
        for path in (killed, in_work):
            path.write_text(LIST[:50], encoding="utf-8")
        folder.mkdir()
        for path in (killed, folder):
            os.utime(path, (0, time.time() - attribution.ABANDONED - 1))
        kept = attribution.fetch("https://example.org/images.csv", tmp_path)
        assert set(tmp_path.iterdir()) == {kept, in_work}


def test_a_list_that_is_missing_is_refused_before_the_tasks(here: Path) -> None:
    with pytest.raises(FeatureError, match=r"the list missing\.csv does not exist; give a CSV file or an address"):
        tasks.run(config("missing.csv", Bucket({}), "train_0"), Engine(storage=str(here / "storage")))
    assert not (here / "storage").exists()
