"""Batches on one machine: the same results as a folder run, resumed and reported."""

import errno
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from apps.serving import loading
from batch_pipeline import local, run
from batch_pipeline.catalogue import Task
from batch_pipeline.config import BatchConfig
from batch_pipeline.errors import BatchError
from batch_pipeline.places import Folder
from batch_pipeline.report import FileReport, Record
from batch_pipeline.station import WORKER, Station
from cluster.engine import Engine
from cluster.lock import locked
from support.models import write_tiny_model
from support.pictures import photo_like
from upscaler import Upscaler
from upscaler.__main__ import main
from upscaler.command import sentence_for
from upscaler.engines.devices import gpus
from upscaler.engines.precision import Choice
from upscaler.errors import ModelError, OptionError
from upscaler.model import find

ROOT = Path(__file__).parents[2]
GOOD = ("a.jpg", "a.png", "b b/ü.png", "b b/c/d.webp", "x_2x.png", "x.png", "no suffix")


def save(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = {".jpg": "JPEG", ".webp": "WEBP"}.get(path.suffix, "PNG")
    Image.fromarray(photo_like(12, 16, seed)).save(path, kind)


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, what a folder run makes of them, and a model."""
    top = tmp_path_factory.mktemp("given")
    write_tiny_model(top / "model")
    for seed, name in enumerate(GOOD):
        save(top / "in" / name, seed)
    (top / "in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 100)
    (top / "in/notes.txt").write_text("no picture", encoding="utf-8")
    (top / "in/.hidden.png").write_bytes(b"")
    with pytest.raises(SystemExit) as ended:
        main(
            [
                str(top / "in"),
                "-o",
                str(top / "expected"),
                "--recursive",
                "--format",
                "png",
                "--model",
                str(top / "model"),
            ]
        )
    assert ended.value.code == 1
    return top


def config(given: Path, out: Path, **changes: object) -> BatchConfig:
    first = BatchConfig(source=str(given / "in"), out=str(out), format="png", model=str(given / "model"), workers=2)
    return replace(first, **changes)  # type: ignore[arg-type]


def files(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name != "report.jsonl"}


def report(out: Path) -> list[Record]:
    lines = (out / "report.jsonl").read_text(encoding="utf-8").splitlines()
    return [Record.model_validate(json.loads(line)) for line in lines]


@pytest.mark.slow
def test_a_batch_equals_a_folder_run_and_is_resumed(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run.run(config(given, out)) == 1
    expected = files(given / "expected")
    assert len(expected) == len(GOOD) - 1
    assert files(out) == expected
    records = {record.source: record for record in report(out)}
    assert records.keys() == {*GOOD, "broken.png"} - {"x_2x.png"}
    assert records["a.jpg"].target_size == (32, 24)
    assert "broken.png" in str(records["broken.png"].error)
    assert "1 failed: 1 PictureError" in capsys.readouterr().err

    (out / "a (jpg).png").unlink()
    with (out / "report.jsonl").open("a", encoding="utf-8") as lines:
        lines.write('{"source": "cut o')  # as a killed run leaves it
    assert run.run(config(given, out, workers=1)) == 1
    assert files(out) == expected
    assert [record.source for record in report(out)][len(records) :] == ["a.jpg"]
    assert "1 upscaled, 5 finished before, 1 failed" in capsys.readouterr().err


@pytest.mark.slow
def test_a_killed_batch_is_resumed_to_the_same_outcome(given: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = ["--format", "png", "--workers", "1", "--model", str(given / "model")]
    command = [sys.executable, "-m", "batch_pipeline", str(given / "in"), str(out), *options]
    with subprocess.Popen(command, cwd=ROOT) as killed:
        while not (out / "report.jsonl").exists() or not report(out):
            assert killed.poll() is None
            time.sleep(0.01)
        killed.kill()
    assert run.run(config(given, out, workers=1)) == 1
    assert files(out) == files(given / "expected")
    assert len({record.source for record in report(out)}) >= len(GOOD) - 1


@pytest.mark.slow
def test_a_killed_worker_costs_its_picture_until_it_is_retried(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "in/large.png"
    for number in range(3):
        save(tmp_path / f"in/{number}.png", number)
    Image.fromarray(photo_like(800, 1000)).save(large)
    out = tmp_path / "out"
    one = config(given, out, source=str(tmp_path / "in"), workers=1)
    begun, double = list[str](), Station.double

    def begin(station: Station, task: Task) -> Record | None:
        begun.append(task.source)
        return double(station, task)

    monkeypatch.setattr(Station, "double", begin)

    def kill() -> None:
        while "large.png" not in begun or not any((out / ".unfinished").glob("*")):
            time.sleep(0.005)
        for child in psutil.Process().children():
            if "batch_pipeline.worker" in child.cmdline():
                child.kill()

    with ThreadPoolExecutor() as pool:
        killed = pool.submit(kill)
        assert run.run(one) == 1
        killed.result()
    assert {record.source: record.reason for record in report(out) if record.error} == {"large.png": WORKER}
    assert files(out).keys() == {"0.png", "1.png", "2.png"}
    assert run.run(replace(one, retry_failed=True)) == 0
    with pytest.raises(SystemExit):
        main([str(large), "-o", str(tmp_path / "same.png"), "--model", str(given / "model")])
    assert (out / "large.png").read_bytes() == (tmp_path / "same.png").read_bytes()


@pytest.mark.slow
def test_failures_are_retried_when_asked(given: Path, tmp_path: Path) -> None:
    for name in ("a.png", "bad.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"\x89PNG")
    one = config(given, tmp_path / "out", source=str(tmp_path / "in"), workers=1)
    assert run.run(one) == run.run(one) == 1
    assert len(report(tmp_path / "out")) == 2
    save(tmp_path / "in/bad.png")
    assert run.run(replace(one, retry_failed=True)) == 1
    assert list(files(tmp_path / "out")) == ["bad.png"]
    assert run.run(one) == 1  # a.png
    assert len(report(tmp_path / "out")) == 4


@pytest.mark.parametrize("last", ["success", "storage"])
def test_the_last_outcome_of_a_picture_counts(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    outcomes = {
        "broken": Record(source="a.png", error="a.png is broken", reason="UnknownFormatError"),
        "storage": Record(source="a.png", error="the disk is full", reason="storage", passing=True),
        "success": Record(source="a.png", target="a.png"),
    }
    left = ["broken", last, "success"]
    monkeypatch.setattr(local, "records", lambda tasks, _: (outcomes[left.pop(0)] for _ in tasks))
    save(tmp_path / "in/a.png")
    one = config(given, tmp_path / "out", source=str(tmp_path / "in"))
    assert run.run(one) == run.run(one) == 1
    assert run.run(replace(one, retry_failed=True)) == (last != "success")
    assert run.run(one) == 0  # OUT holds no result of the success, as if it had been deleted
    assert not left


def test_a_picture_whose_target_is_free_again_is_upscaled(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[str] = []

    def work(tasks: Iterator[Task], _: BatchConfig) -> Iterator[None]:
        for task in tasks:
            worked.append(task.source)
            yield None

    monkeypatch.setattr(local, "records", work)
    for name in ("a.jpg", "a.png", "a (png).jpg"):
        save(tmp_path / "in" / name)
    one = config(given, tmp_path / "out", source=str(tmp_path / "in"))
    for _ in range(2):
        assert run.run(one) == 1
    assert [record.source for record in report(tmp_path / "out")] == ["a.png"]  # told once
    (tmp_path / "in/a (png).jpg").unlink()
    worked.clear()
    assert run.run(one) == 0
    assert sorted(worked) == ["a.jpg", "a.png"]


def test_a_list_names_pictures_and_what_it_names_must_be_there(given: Path, tmp_path: Path) -> None:
    long = f"{'x' * 300}.png"
    names = ("a.jpg", "b b/ü.png", "missing.png", "../model", "a.jpg", long)
    (given / "in/list").write_text("\n".join(names), encoding="utf-8")
    try:
        assert run.run(config(given, tmp_path / "out", source=str(given / "in/list"), workers=1)) == 1
    finally:
        (given / "in/list").unlink()
    assert files(tmp_path / "out").keys() == {"a.png", "b b/ü.png"}
    reasons = {record.source: record.reason for record in report(tmp_path / "out") if record.error}
    assert reasons == {"missing.png": "gone", "../model": "unusable name", long: "ENAMETOOLONG"}
    assert not any(record.passing for record in report(tmp_path / "out"))  # nor may ten of them stop a batch


def test_a_dry_run_prints_the_cost_and_writes_nothing(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run.run(config(given, tmp_path / "out", dry_run=True)) == 0
    printed = capsys.readouterr().out
    assert "7 to upscale; 1 of a sample of 7 are unreadable" in printed
    assert "this machine: about 0.0 hours with 2 workers" in printed
    assert not (tmp_path / "out").exists()


def test_a_dry_run_leaves_out_what_has_failed_and_leaves_the_report_as_it_is(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = Record(source="a.png", error="a.png is broken", reason="UnknownFormatError").model_dump_json()
    (tmp_path / "out").mkdir()
    (tmp_path / "out/report.jsonl").write_text(f'{failed}\n{{"source": "cut o', encoding="utf-8")
    before = (tmp_path / "out/report.jsonl").read_bytes()
    one = config(given, tmp_path / "out", dry_run=True)
    for retry, number in ((False, 6), (True, 7)):
        assert run.run(replace(one, retry_failed=retry)) == 0
        assert f"{number} to upscale" in capsys.readouterr().out
    assert (tmp_path / "out/report.jsonl").read_bytes() == before


def test_a_dry_run_counts_what_a_list_names_and_cannot_be_read(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder.png").mkdir()
    save(tmp_path / "a.png")
    (tmp_path / "list").write_text("a.png\nmissing.png\nfolder.png\n", encoding="utf-8")
    assert run.run(config(given, tmp_path / "out", source=str(tmp_path / "list"), dry_run=True)) == 0
    assert "3 to upscale; 2 of a sample of 3 are unreadable" in capsys.readouterr().out


def test_a_file_that_may_not_be_opened_is_no_picture_unless_its_suffix_says_so(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Folder, name: str) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", name)

    monkeypatch.setattr(Folder, "head", refuse)
    assert run.run(config(given, tmp_path / "out", dry_run=True)) == 0
    assert "6 to upscale" in capsys.readouterr().out  # all but "no suffix"


@pytest.mark.parametrize(("reason", "passing", "stops"), [("storage", True, True), ("PictureError", False, False)])
def test_ten_failures_of_the_storage_stop_the_batch_and_broken_pictures_do_not(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, passing: bool, stops: bool
) -> None:
    def fail(tasks: Iterator[Task], _: BatchConfig) -> Iterator[Record]:
        for task in tasks:
            yield Record(source=task.source, error="is gone", reason=reason, passing=passing)

    monkeypatch.setattr(local, "records", fail)
    (tmp_path / "in/list").parent.mkdir()
    (tmp_path / "in/list").write_text("".join(f"{n}.png\n" for n in range(20)), encoding="utf-8")
    one = config(given, tmp_path / "out", source=str(tmp_path / "in/list"))
    if stops:
        for _ in range(2):  # what may have passed is tried again
            with pytest.raises(BatchError, match="10 pictures in a row"):
                run.run(one)
        assert [record.source for record in report(tmp_path / "out")] == 2 * [f"{n}.png" for n in range(10)]
    else:
        assert run.run(one) == 1
        assert len(report(tmp_path / "out")) == 20


def test_failures_between_results_do_not_stop_a_batch(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_often(tasks: Iterator[Task], _: BatchConfig) -> Iterator[Record | None]:
        for n, task in enumerate(tasks):
            fails = n % 10
            yield Record(source=task.source, error="is gone", reason="storage", passing=True) if fails else None

    monkeypatch.setattr(local, "records", fail_often)
    (tmp_path / "in/list").parent.mkdir()
    (tmp_path / "in/list").write_text("".join(f"{n}.png\n" for n in range(40)), encoding="utf-8")
    assert run.run(config(given, tmp_path / "out", source=str(tmp_path / "in/list"))) == 1
    assert len(report(tmp_path / "out")) == 36


def test_a_file_as_out_is_refused_before_anything_is_touched(given: Path, tmp_path: Path) -> None:
    out = tmp_path / "out/list.txt"
    (tmp_path / "out/.unfinished").mkdir(parents=True)
    for path in (out, out.with_name(".unfinished") / "of another batch"):
        path.write_text("content", encoding="utf-8")
    before = files(tmp_path / "out")
    with locked(out.parent), pytest.raises(BatchError, match="OUT is a file, not a folder; give another OUT"):
        run.run(config(given, out))
    assert files(tmp_path / "out") == before


def test_ten_files_that_may_not_be_opened_fail_alone(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stat = Path.stat

    def refuse(path: Path, **options: bool) -> os.stat_result:  # by hand, because root may open all
        if path.parent == tmp_path / "in" and path.name.startswith("secret"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    (tmp_path / "in").mkdir()
    for kind in ("secret", "loop", "folder"):
        for n in range(10):
            path = tmp_path / f"in/{kind} {n}.png"
            path.mkdir() if kind == "folder" else path.symlink_to(path.name)
    save(tmp_path / "in/z.png")
    names = sorted(path.name for path in (tmp_path / "in").iterdir())
    (tmp_path / "in/list").write_text("\n".join(names), encoding="utf-8")
    monkeypatch.setattr(Path, "stat", refuse)
    assert run.run(config(given, tmp_path / "out", source=str(tmp_path / "in/list"), workers=1)) == 1
    assert files(tmp_path / "out").keys() == {"z.png"}
    reasons = Counter(record.reason for record in report(tmp_path / "out") if not record.passing)
    assert reasons == {"EACCES": 10, "ELOOP": 10, "EISDIR": 10, "": 1}


def test_a_folder_or_link_that_cannot_be_followed_does_not_end_the_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.png", "secret/b.png", "open/c.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        save(tmp_path / name)
    (tmp_path / "loop.png").symlink_to("loop.png")
    (tmp_path / "gone.png").symlink_to("none.png")
    (tmp_path / "refused.png").symlink_to("x" * 300)
    scandir = os.scandir

    def without_secret(path: Path) -> Any:
        if Path(path) in forbidden:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", without_secret)
    forbidden = {tmp_path / "secret"}
    names = {entry.name for entry in Folder(tmp_path).entries()}
    assert names == {"a.png", "open/c.png", "loop.png", "gone.png", "refused.png"}
    assert "secret cannot be listed (Permission denied): its pictures are left out" in caplog.text
    forbidden.add(tmp_path)
    with pytest.raises(PermissionError):
        list(Folder(tmp_path).entries())


def test_a_disk_that_is_gone_stops_the_batch(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(11):
        save(tmp_path / f"in/{n}.png")
    start = Station.start

    def unmount(station: Station) -> None:
        start(station)
        for path in (tmp_path / "in").iterdir():
            path.unlink()

    monkeypatch.setattr(Station, "start", unmount)
    with pytest.raises(BatchError, match="10 pictures in a row failed for the same reason"):
        run.run(config(given, tmp_path / "out", source=str(tmp_path / "in"), workers=1))
    assert {record.reason for record in report(tmp_path / "out")} == {"system: ENOENT"}


def test_a_line_that_a_full_disk_cuts_short_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, left = os.write, 250  # bytes

    def write_what_fits(file: int, content: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(file, content[:left])
        left -= written
        return written

    written = FileReport(tmp_path / "report.jsonl")
    with closing(written), monkeypatch.context() as patched:
        patched.setattr(os, "write", write_what_fits)
        written.add(Record(source="a"))
        with pytest.raises(OSError, match="No space") as raised:
            written.add(Record(source="b"))
        patched.undo()
        assert not left
        assert [record.source for record in report(tmp_path)] == ["a"]
        written.add(Record(source="c"))
    assert "the disk is full" in sentence_for(raised.value)
    assert [record.source for record in report(tmp_path)] == ["a", "c"]


def test_out_may_not_be_in(given: Path) -> None:
    with pytest.raises(BatchError, match="both IN and OUT"):
        config(given, given / "in")


def test_out_may_not_be_the_folder_of_a_list(given: Path) -> None:
    (given / "in/list.txt").write_text("a.png\n", encoding="utf-8")
    with pytest.raises(BatchError, match="in holds the pictures of IN; give another OUT"):
        run.run(replace(config(given, given / "out"), source=str(given / "in/list.txt"), out=str(given / "in")))


@pytest.mark.parametrize("out", ["./in", "in/", "a/../in", "link"])
def test_out_may_not_be_in_under_another_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str) -> None:
    for name in ("in", "a"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("in")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BatchError, match="both IN and OUT"):
        BatchConfig(source="in", out=out)


def test_a_result_whose_name_is_taken_otherwise_fails_alone(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png", "c/a.png", "d/e/a.png"):
        save(tmp_path / "in" / name)
    out = tmp_path / "out"
    (out / "b.png").mkdir(parents=True)
    for name in ("c", "d"):
        (out / name).write_bytes(b"a file")
    one = config(given, out, source=str(tmp_path / "in"), workers=1)
    assert run.run(one) == 1
    assert "1 upscaled, 0 finished before, 3 failed" in capsys.readouterr().err
    failed = {record.source: record for record in report(out) if record.error}
    assert failed.keys() == {"b.png", "c/a.png", "d/e/a.png"}
    assert str(failed["c/a.png"].error).startswith("c/a.png: c/a.png in OUT is a folder, or a file stands where its")
    assert run.run(one) == 1
    assert len(report(out)) == 4  # not upscaled again
    assert files(out).keys() == {"a.png", "c", "d"}


@pytest.mark.slow
def test_all_workers_get_one_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, choice = find.model(str(write_tiny_model(tmp_path / "model", int8=True))), Choice("int8", 40)
    made = [choice]
    monkeypatch.setattr(loading, "choose", lambda *_: made.pop())  # a second call would fail
    for seed in range(4):
        save(tmp_path / f"in/{seed}.png", seed)
    assert run.run(config(tmp_path, tmp_path / "out")) == 0
    for seed in range(4):
        with Image.open(tmp_path / f"out/{seed}.png") as image:
            assert (np.array(image) == Upscaler(model, choice=choice).upscale(photo_like(12, 16, seed))).all()


@pytest.mark.slow
def test_a_precision_that_is_given_is_that_of_all_workers(tmp_path: Path) -> None:
    model = find.model(str(write_tiny_model(tmp_path / "model", int8=True)))
    save(tmp_path / "in/0.png")
    made = dict[str, bytes]()
    for precision in ("int8", "f32"):
        out = tmp_path / precision
        assert run.run(config(tmp_path, out, precision=precision, workers=1)) == 0
        with Image.open(out / "0.png") as image:
            assert (np.array(image) == Upscaler(model, precision=precision).upscale(photo_like(12, 16))).all()
        made |= files(out)
    assert made["0.png"] != files(tmp_path / "int8")["0.png"]


def test_a_gpu_that_is_missing_is_one_sentence(given: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"^--device is gpu:999, but no such GPU has a Vulkan driver; see"):
        run.run(config(given, tmp_path / "out", device="gpu:999", workers=1))


@pytest.mark.slow
def test_a_gpu_gives_the_bytes_of_the_single_command(given: Path, tmp_path: Path) -> None:
    if not gpus():
        pytest.skip("no Vulkan driver")
    assert run.run(config(given, tmp_path / "out", source=str(given / "in/b b"), device="gpu", workers=1)) == 0
    single = ["--model", str(given / "model"), "--device", "gpu"]
    with pytest.raises(SystemExit):
        main([str(given / "in/b b/ü.png"), "-o", str(tmp_path / "same.png"), *single])
    assert (tmp_path / "out/ü.png").read_bytes() == (tmp_path / "same.png").read_bytes()


def actors(config: BatchConfig, *nodes: dict[str, float]) -> int:
    """Return the number of actors on a cluster."""
    reserving = pytest.importorskip("batch_pipeline.reservation")
    number = reserving.number_of_actors(config, nodes, reserving.reservation_for(config, nodes))
    assert isinstance(number, int)
    return number


def test_a_cluster_has_an_actor_for_each_core_or_gpu(
    given: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = config(given, tmp_path / "out", workers=None)
    on_gpus = replace(first, device="gpu")
    node, other = {"CPU": 5.0, "GPU": 3.0, "memory": 32e9}, {"CPU": 3.0, "memory": 32e9}
    assert actors(first, node, other) == 8
    assert actors(on_gpus, node, other) == 3
    assert actors(replace(on_gpus, workers=2), node, other) == 2
    assert not caplog.messages
    assert actors(replace(on_gpus, workers=5), node, other) == 3
    assert actors(replace(first, workers=9), node, other) == 8
    assert caplog.messages == [
        "--workers is 5, but the cluster has only 3 GPUs: using 3",
        "--workers is 9, but the cluster has only 8 cores: using 8",
    ]
    with pytest.raises(BatchError, match="but the cluster has no GPU; give --device cpu"):
        actors(on_gpus, other)
    with pytest.raises(BatchError, match="but the cluster has no core; add a node"):
        actors(first, {"memory": 32e9})
    with pytest.raises(OptionError, match="--device auto measures one machine"):
        replace(first, device="auto", engine=Engine("ray", "auto", str(tmp_path)))


@pytest.mark.parametrize(
    ("node", "fitting", "share"),
    [
        ({"CPU": 8.0, "memory": 32e9}, 8, 3_000_000_000),
        ({"CPU": 8.0, "memory": 9e9}, 4, 1_687_500_000),  # more would be over-committed
        ({"CPU": 8.0, "memory": 1e9}, 1, 750_000_000),  # a small node still works
    ],
)
def test_actors_share_the_memory_of_their_node(
    given: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, node: dict[str, float], fitting: int, share: int
) -> None:
    reserving = pytest.importorskip("batch_pipeline.reservation")
    nodes = [node] * 8
    for workers in (None, 64):
        one = config(given, tmp_path / "out", workers=workers)
        reservation = reserving.reservation_for(one, nodes)
        assert reservation.fitting(node) == fitting
        assert reservation.memory * fitting <= node["memory"]
        assert reservation.share(node) == share
        assert actors(one, *nodes) == 8 * fitting
    if fitting < 8:
        assert f"the cluster has only room for {8 * fitting} of them: using {8 * fitting}" in caplog.text
