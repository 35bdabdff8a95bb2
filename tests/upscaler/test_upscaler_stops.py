"""Signals, crashes and readers that go away: what they end, and what they leave."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from PIL import Image

from support.pictures import photo_like
from upscaler.config import Options
from upscaler.errors import ModelError, PictureError
from upscaler.process import UpscalingProcess
from upscaler.signals import Stopped, stopping

ROOT = Path(__file__).parents[2]


def save(path: Path, height: int = 12, width: int = 16) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(photo_like(height, width)).save(path)
    return path


def take_signals() -> None:
    """Undo what a shell in the background, or nohup, has set for all its processes."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def running(model: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Run the command line in a session of its own, as a terminal does."""
    command = [sys.executable, "-m", "upscaler", *map(str, arguments), "--model", str(model), "--ensemble-flips"]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=take_signals,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_part(process: subprocess.Popen[str], folder: Path) -> None:
    """Wait until a picture is being upscaled into a folder."""
    while not list(folder.glob(".part-*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def worker_of(process: subprocess.Popen[str]) -> psutil.Process:
    """Return the process that upscales; Python starts another one, which tracks resources."""
    return next(child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "pictures"),
    [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGINT, 2), (signal.SIGTERM, 2)],
)
def test_a_signal_to_all_ends_at_once_and_leaves_no_part(
    tmp_path: Path, tiny_model: Path, number: int, pictures: int
) -> None:
    sources = [save(tmp_path / f"{n}.png", 1000, 1500) for n in range(pictures)]
    with running(tiny_model, *sources, "-o", tmp_path / "out") as process:
        wait_for_part(process, tmp_path / "out")
        children = psutil.Process(process.pid).children()
        os.killpg(process.pid, number)
        stderr = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + number
    assert stderr == "stopped\n"
    assert not list((tmp_path / "out").iterdir())
    assert psutil.wait_procs(children, timeout=5)[1] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "sentence"),
    [(signal.SIGSEGV, "crashed the program that reads it"), (signal.SIGKILL, "needed more memory than this machine")],
)
def test_a_picture_that_ends_the_process_costs_only_itself(
    tmp_path: Path, tiny_model: Path, number: int, sentence: str
) -> None:
    a, b = save(tmp_path / "in" / "a.png", 1000, 1500), save(tmp_path / "in" / "b.png")
    with running(tiny_model, tmp_path / "in", "-o", tmp_path / "out") as process:
        wait_for_part(process, tmp_path / "out")
        worker_of(process).send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == 1
    assert stdout == f"{tmp_path / 'out' / 'b.png'}\n"
    assert stderr.startswith(f"error: {a} {sentence}")
    assert stderr.endswith(f"\n1 upscaled, 1 passed over: {a}\n")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [b.name]


def test_a_closed_job_ends_its_process_and_the_next_one_starts_another(tmp_path: Path, tiny_model: Path) -> None:
    source = save(tmp_path / "a.png", 200, 300)
    with UpscalingProcess(str(tiny_model)) as process:
        job = process.double(source, tmp_path / "out" / "b.png", Options())
        assert [next(job).share, next(job).share > 0] == [0, True]
        job.close()
        assert not list((tmp_path / "out").iterdir())
        with pytest.raises(PictureError, match=r"b\.txt has no suffix of a supported format"):
            list(process.double(source, tmp_path / "b.txt", Options()))
        assert list(process.double(source, tmp_path / "b.png", Options()))[-1].share == 1
    assert (tmp_path / "b.png").exists()


def test_a_model_that_cannot_be_loaded_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no_model"):
        UpscalingProcess(str(tmp_path / "no_model"))


@pytest.mark.parametrize("arguments", [["--help"], ["a.png", "b.png"]])
def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path, tiny_model: Path, arguments: list[str]) -> None:
    sources = [save(tmp_path / name) for name in arguments if name.endswith(".png")]
    with running(tiny_model, *(sources or arguments)) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert process.stderr.read() == ("2 upscaled\n" if sources else "")
        assert process.wait() == 0
    assert all(source.with_stem(f"{source.stem}_2x").exists() for source in sources)


def test_an_ignored_signal_stays_ignored_and_a_second_one_does_not_disturb_the_cleanup() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    cleaned_up = False
    try:
        with pytest.raises(Stopped) as stopped, stopping():
            signal.raise_signal(signal.SIGHUP)
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                signal.raise_signal(signal.SIGINT)
                cleaned_up = True
        assert cleaned_up
        assert stopped.value.exit_code == 128 + signal.SIGTERM
        assert signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before[signal.SIGHUP])
