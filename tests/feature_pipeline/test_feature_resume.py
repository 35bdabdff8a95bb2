"""Determinism and resuming: workers, dropped connections and kills do not change the shards."""

import errno
import json
import multiprocessing
import os
import random
import time
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import psutil
import pytest

from feature_pipeline import pipeline, shards, source, verify, workers
from feature_pipeline.config import FeatureConfig
from feature_pipeline.duplicates import looks
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import Manifest, Settings
from feature_pipeline.tar import File
from support.faulty_bucket import Bucket, Fault, serve
from support.parts import part, photo, tar_gz
from upscaler.command import sentence_for

PICTURES = 10
BROKEN = {"note.txt": b"no picture", "again.jpg": photo(3), "cut.jpg": photo(5)[:2000]}
PART = tar_gz({f"{n:016x}.jpg": photo(n) for n in range(PICTURES)} | BROKEN)
KILLS = 10

LIST = "ImageID,Subset,OriginalURL,OriginalLandingURL,License,AuthorProfileURL,Author,Title\n" + "".join(
    f"{n:016x},train,,https://example.org/{n},CC BY 2.0,https://example.org/a,Ann {n},Photo {n}\n"
    for n in range(PICTURES)
)


def config(out: Path, bucket: Bucket, **changes: Any) -> FeatureConfig:
    values: dict[str, Any] = {
        "parts": ("train_0",),
        "out": out,
        "endpoint_url": bucket.endpoint_url,
        "tiles_per_image": 2,
        "workers": 1,
        "pictures_per_shard": 2,
    }
    return FeatureConfig(**values | changes)


def made(out: Path) -> tuple[dict[str, bytes], Manifest]:
    """Return the bytes of all files except the manifest, and the manifest without its duration."""
    folder = out / "train_0"
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}
    return files, shards.read_manifest(folder).model_copy(update={"seconds": 0.0})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], Manifest]:
    """Return the result of an uninterrupted run with one worker."""
    out = tmp_path_factory.mktemp("whole")
    (out / "list.csv").write_text(LIST)
    with serve(Bucket({"train_0": PART})) as bucket:
        pipeline.run(config(out, bucket, metadata=(str(out / "list.csv"),)))
    return made(out)


def test_every_picture_is_accounted_for(whole: tuple[dict[str, bytes], Manifest]) -> None:
    files, manifest = whole
    assert manifest.pictures == PICTURES + len(BROKEN)
    assert manifest.pictures_taken == PICTURES
    assert manifest.skipped == {"not a picture": 1, "same picture": 1, "broken": 1}
    assert manifest.unlisted == len(BROKEN)
    assert manifest.source_bytes == len(PART)
    assert manifest.tiles == sum(shard.samples for shard in manifest.shards) > PICTURES
    assert len(manifest.shards) == 7
    assert files["ATTRIBUTION.csv"].decode().splitlines()[:2] == [
        "image_id,tiles,license,author,author_profile,title,landing_page",
        "0000000000000000,2,CC BY 2.0,Ann 0,https://example.org/a,Photo 0,https://example.org/0",
    ]


@pytest.mark.slow
def test_two_workers_and_a_bad_connection_make_the_same_bytes(
    whole: tuple[dict[str, bytes], Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source.PartStream.__init__, "__defaults__", (lambda _: None, 0.01))
    monkeypatch.setattr(source.connect, "__defaults__", (0.3,))
    (tmp_path / "list.csv").write_text(LIST)
    with serve(
        Bucket({"train_0": PART}, ["503", "reset", "short", "stall", "500", "reset", "short", "reset"])
    ) as bucket:
        pipeline.run(config(tmp_path, bucket, workers=2, metadata=(str(tmp_path / "list.csv"),)))
    assert made(tmp_path) == whole
    assert not bucket.faults


@pytest.mark.slow
def test_a_lost_shard_and_its_followers_are_made_again(
    whole: tuple[dict[str, bytes], Manifest], tmp_path: Path
) -> None:
    folder = tmp_path / "train_0"
    folder.mkdir()
    for name, content in whole[0].items():
        (folder / name).write_bytes(content)
    (folder / "train_0-00003.json").unlink()
    (folder / "train_0-00004.tar").write_bytes(b"too short")
    (folder / ".part-killed.tar").write_bytes(b"half")
    (tmp_path / "list.csv").write_text(LIST)
    with serve(Bucket({"train_0": PART})) as bucket:
        pipeline.run(config(tmp_path, bucket, metadata=(str(tmp_path / "list.csv"),)))
    assert made(tmp_path) == whole


def test_a_finished_part_asks_the_bucket_nothing(tmp_path: Path) -> None:
    with serve(Bucket({"train_0": part(2)})) as bucket:
        pipeline.run(config(tmp_path, bucket))
        before, bucket.always = made(tmp_path), 500
        pipeline.run(config(tmp_path, bucket))
    assert made(tmp_path) == before


def test_a_hidden_file_hides_no_finished_shard(tmp_path: Path) -> None:
    with serve(Bucket({"train_0": part(2)})) as bucket:
        pipeline.run(config(tmp_path, bucket))
    (tmp_path / "train_0" / ".placeholder-train_0-00000.tar").write_bytes(b"")  # as while shards go to a storage
    assert list(shards.finished(tmp_path / "train_0"))


@pytest.mark.slow
def test_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    with serve(Bucket({"train_0": part(1)})) as bucket:
        pipeline.run(config(tmp_path, bucket))
        with pytest.raises(FeatureError, match="was made with --tiles-per-image 2, not 3"):
            pipeline.run(config(tmp_path, bucket, tiles_per_image=3))
        with pytest.raises(FeatureError, match="was made without --augment; give another --out"):
            pipeline.run(config(tmp_path, bucket, augment=True))
        (tmp_path / "list.csv").write_text(LIST)
        with pytest.raises(FeatureError, match="was made with another --metadata; give another --out"):
            pipeline.run(config(tmp_path, bucket, metadata=(str(tmp_path / "list.csv"),)))


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["manifest.json", "config.json"])
def test_no_part_is_made_inside_a_part(tmp_path: Path, lost: str) -> None:
    with serve(Bucket({"train_0": part(1)})) as bucket:
        pipeline.run(config(tmp_path, bucket))
        outer = tmp_path / "train_0"
        (outer / lost).unlink()
        with pytest.raises(FeatureError, match="train_0 is a part, and can hold no other; give the folder of the"):
            pipeline.run(config(outer, bucket))
    assert not (outer / "train_0").exists()


def test_only_the_first_pictures(tmp_path: Path) -> None:
    with serve(Bucket({"train_0": PART})) as bucket:
        pipeline.run(config(tmp_path, bucket, images=3))
    assert [picture.name for record in shards.finished(tmp_path / "train_0") for picture in record.pictures] == [
        f"{n:016x}.jpg" for n in range(3)
    ]


def test_no_two_pictures_have_the_same_keys(tmp_path: Path) -> None:
    names = ("0aaa.jpg", "0bbb.jpg", "0aaa.jpeg", ".jpg")
    with serve(Bucket({"train_0": tar_gz({name: photo(n) for n, name in enumerate(names)})})) as bucket:
        pipeline.run(config(tmp_path, bucket, tiles_per_image=1, pictures_per_shard=4))
    (record,) = shards.finished(tmp_path / "train_0")
    assert [spans.key for spans in record.samples] == ["0aaa-0", "0bbb-0"]
    assert shards.read_manifest(tmp_path / "train_0").skipped == {"no id": 1, "same name": 1}
    assert record.looks() == {picture.image_id: looks(picture) for picture in record.pictures[:2]}


@pytest.mark.slow
def test_more_pictures_continue_a_part_as_if_made_at_once(
    whole: tuple[dict[str, bytes], Manifest], tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    folder, listed = tmp_path / "train_0", {"metadata": (str(tmp_path / "list.csv"),)}
    with serve(Bucket({"train_0": PART})) as bucket:
        pipeline.run(config(tmp_path, bucket, images=3, **listed))  # a shard of two pictures and one of one
        kept = (folder / "train_0-00000.tar").stat()
        pipeline.run(config(tmp_path, bucket, images=7, **listed))
        assert shards.read_manifest(folder).pictures == 7
        with pytest.raises(FeatureError, match="was made with --images 7, not 3"):
            pipeline.run(config(tmp_path, bucket, images=3, **listed))
        pipeline.run(config(tmp_path, bucket, **listed))
    assert (folder / "train_0-00000.tar").stat() == kept  # before `made` reads it, which may change its time of access
    assert made(tmp_path) == whole


@pytest.mark.slow
def test_an_interrupted_extension_is_unfinished_and_resumes(
    whole: tuple[dict[str, bytes], Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    listed = {"metadata": (str(tmp_path / "list.csv"),)}
    with serve(Bucket({"train_0": PART})) as bucket:
        pipeline.run(config(tmp_path, bucket, images=3, **listed))
    monkeypatch.setattr(source.PartStream.__init__, "__defaults__", (lambda _: None, 0.01))
    lost: list[Fault] = ["short", "503", "503", "503", "503", "503", "503"]
    with serve(Bucket({"train_0": PART}, lost)) as bucket, pytest.raises(FeatureError, match="answers 503"):
        pipeline.run(config(tmp_path, bucket, **listed))
    assert "has fewer pictures than it is to have" in next(verify.problems_of(tmp_path / "train_0"))
    with serve(Bucket({"train_0": PART})) as bucket:
        pipeline.run(config(tmp_path, bucket, **listed))
    assert made(tmp_path) == whole


OTHER = tar_gz({f"{n:016x}.jpg": photo(n) for n in range(20, 20 + PICTURES)})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "difference"),
    [
        (OTHER, rf"another tar\.gz, of {len(PART):,} bytes, not {len(OTHER):,}; give the --endpoint-url"),
        (PART[:-1] + b"\1", r"a tar\.gz of the same length whose ETag is \S+, not \S+, so it may hold other pictures;"),
    ],
    ids=["other pictures", "a copy with another ETag"],
)
def test_a_part_is_continued_from_the_object_it_was_begun_from_only(
    content: bytes, difference: str, tmp_path: Path
) -> None:
    with serve(Bucket({"train_0": PART})) as bucket:
        pipeline.run(config(tmp_path, bucket, images=3))
    before = made(tmp_path)
    with serve(Bucket({"train_0": content})) as bucket, pytest.raises(FeatureError, match=difference):
        pipeline.run(config(tmp_path, bucket, images=7))
    assert made(tmp_path) == before
    with serve(Bucket({"train_0": PART})) as bucket:  # the same object on another server
        pipeline.run(config(tmp_path, bucket, images=7))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "then", "begun"),
    [
        ("", "Open Images", "another server, not the bucket of Open Images"),
        ("Open Images", "", "the bucket of Open Images, not a copy"),
    ],
)
def test_a_copy_and_the_bucket_of_open_images_are_not_mixed(
    first: str, then: str, begun: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve(Bucket({"train_0": PART})) as bucket:
        monkeypatch.setattr(source, "_dataset", lambda _: first)
        pipeline.run(config(tmp_path, bucket, images=1))
        monkeypatch.setattr(source, "_dataset", lambda _: then)
        with pytest.raises(FeatureError, match=f"was begun from {begun}; give"):
            pipeline.run(config(tmp_path, bucket, images=3))
    assert shards.read_manifest(tmp_path / "train_0").dataset == first


@pytest.mark.slow
def test_a_part_of_a_version_that_recorded_no_source_is_continued(
    whole: tuple[dict[str, bytes], Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    folder, listed = tmp_path / "train_0", {"metadata": (str(tmp_path / "list.csv"),)}
    with serve(Bucket({"train_0": PART})) as bucket:
        pipeline.run(config(tmp_path, bucket, images=3, **listed))
    (folder / "source.json").unlink()
    with serve(Bucket({"train_0": OTHER})) as bucket, pytest.raises(FeatureError, match=f"of {len(PART):,} bytes"):
        pipeline.run(config(tmp_path, bucket, **listed))
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["dataset"]  # which the first versions did not record either
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with serve(Bucket({"train_0": PART})) as bucket:
        monkeypatch.setattr(source, "_dataset", lambda _: "Open Images")
        pipeline.run(config(tmp_path, bucket, **listed))
    assert shards.read_manifest(folder).dataset == "Open Images"
    assert shards.read_source(folder).bytes == len(PART)


@pytest.mark.slow
def test_a_broken_part_keeps_what_was_finished(tmp_path: Path) -> None:
    with serve(Bucket({"train_0": PART[: len(PART) * 3 // 4]})) as bucket, pytest.raises(FeatureError, match="broken"):
        pipeline.run(config(tmp_path, bucket))
    assert list(shards.finished(tmp_path / "train_0"))
    assert not list(tmp_path.rglob(".part-*"))
    assert not (tmp_path / "train_0/manifest.json").exists()


def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    def fsync(_: int) -> None:
        nonlocal written
        written += 1
        if written > 4:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with serve(Bucket({"train_0": PART})) as bucket, pytest.raises(OSError, match="No space") as raised:
        pipeline.run(config(tmp_path, bucket))
    assert "the disk is full" in sentence_for(raised.value)
    assert len(list(shards.finished(tmp_path / "train_0"))) == 1
    assert not list(tmp_path.rglob(".part-*"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_ten_times_at_random_it_makes_the_same_bytes(
    whole: tuple[dict[str, bytes], Manifest], tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text(LIST)
    rng = random.Random(os.environ.get("KILL_SEED", "1"))
    kills = rounds = 0
    with serve(Bucket({"train_0": PART})) as bucket:
        while kills < KILLS:
            rounds += 1
            out = tmp_path / str(rounds)
            made_so_far = config(out, bucket, metadata=(str(tmp_path / "list.csv"),))
            while _killed(made_so_far, rng):
                kills += 1
            assert made(out) == whole


def _killed(made_so_far: FeatureConfig, rng: random.Random) -> bool:
    """Run the pipeline and kill it (SIGKILL) after a random number of files. Return False if it ended first.

    A shard is four files: the tar and its record, each under a temporary and a final name. Files are counted instead
    of seconds, so that a slow machine progresses as far between two kills as a fast one.
    """
    folder = made_so_far.out / "train_0"
    before = seen = _state(folder)
    enough = rng.randint(1, 8)
    started = multiprocessing.get_context("forkserver")  # imports the pipeline once
    started.set_forkserver_preload([pipeline.__name__])
    process = started.Process(target=pipeline.run, args=(made_so_far,))
    process.start()
    while process.is_alive() and len(seen - before) < enough:
        seen = seen | _state(folder)
        time.sleep(0.0005)
    time.sleep(rng.uniform(0, 0.02))
    process.kill()
    process.join()
    return process.exitcode != 0


def _keep_making(begun: Event) -> None:
    settings = Settings(part="train_0", images=None, tiles_per_image=1, pictures_per_shard=1)
    outcomes = workers.in_order([(File("a.jpg", 1, b"x"), None)] * 50, settings, 2)
    next(outcomes)
    begun.set()
    time.sleep(600)


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed() -> None:
    spawned = multiprocessing.get_context("spawn")
    begun = spawned.Event()
    parent = spawned.Process(target=_keep_making, args=(begun,))
    parent.start()
    assert begun.wait(60)
    left = psutil.Process(parent.pid).children()
    parent.kill()
    parent.join()
    _, alive = psutil.wait_procs(left, 30)
    for process in alive:
        process.kill()
    assert len(left) == 2 and not alive


@pytest.mark.slow
def test_a_worker_that_dies_is_an_error() -> None:
    settings = Settings(part="train_0", images=None, tiles_per_image=1, pictures_per_shard=1)
    outcomes = workers.in_order([(File("a.jpg", 1, b"x"), None)] * 50, settings, 1)
    next(outcomes)
    (process,) = (one for one in psutil.Process().children() if "spawn_main" in " ".join(one.cmdline()))
    process.kill()
    with pytest.raises(FeatureError, match=r"a worker process died, .* fewer --workers to resume"):
        list(outcomes)


def _state(folder: Path) -> set[str]:
    """List all files, temporary ones too, except those written before the first picture."""
    return {path.name for path in folder.glob("*")} - {"config.json", "source.json"}


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["train_0-00001.json", "train_0-00001.tar", "manifest.json"])
def test_what_verify_misses_is_made_again(tmp_path: Path, lost: str) -> None:
    with serve(Bucket({"train_0": PART})) as bucket:
        pipeline.run(config(tmp_path, bucket))
        before = made(tmp_path)
        for damage in (Path.unlink, lambda path: path.write_bytes(b"{")):
            damage(tmp_path / "train_0" / lost)
            with pytest.raises(FeatureError, match="run the command that made them again"):
                verify.run(tmp_path)
            pipeline.run(config(tmp_path, bucket))
            verify.run(tmp_path)
            assert made(tmp_path) == before


def test_a_finished_part_is_not_made_again(tmp_path: Path) -> None:
    with serve(Bucket({"train_0": part(2)})) as bucket:
        pipeline.run(config(tmp_path, bucket))
    pipeline.run(config(tmp_path, bucket))  # there is no bucket any more


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"note.txt": b"no picture", "small.jpg": photo(1, 200, 100)}, "of 2 pictures, 1 not a picture, 1 too small"),
        ({}, "it has no pictures"),
    ],
)
def test_a_part_without_a_tile_is_an_error_and_blocks_nothing(
    files: dict[str, bytes], reason: str, tmp_path: Path
) -> None:
    with serve(Bucket({"train_0": tar_gz(files)})) as bucket, pytest.raises(FeatureError) as refused:
        pipeline.run(config(tmp_path, bucket))
    assert str(refused.value) == f"train_0 has no tile: {reason}; take more --images, or another part"
    assert list(tmp_path.iterdir()) == []
    with serve(Bucket({"train_0": part(2)})) as bucket:
        pipeline.run(config(tmp_path, bucket, tiles_per_image=1))
