"""Pictures of a folder: each is encoded beside the network of the next, and what fails beside it is tried again."""

import multiprocessing
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import tee
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import pytest
from PIL import Image

from support.pictures import photo_like
from upscaler import Upscaler, encoding, files
from upscaler.ahead import ahead
from upscaler.bar import with_bar
from upscaler.config import Options
from upscaler.errors import LimitError, PictureError
from upscaler.limits import Limits
from upscaler.pictures import writing
from upscaler.process import UpscalingProcess
from upscaler.process_loop import ENDED, End, Loop, Message

_DEADLINE = 30.0  # seconds


def save(path: Path, height: int = 60, width: int = 80) -> Path:
    Image.fromarray(photo_like(height, width)).save(path)
    return path


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


class Encoder:
    """The encoder, which the first picture enters but does not leave before `may_end` is set."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.entered, self.may_end, self._write = threading.Event(), threading.Event(), writing.write
        monkeypatch.setattr(encoding, "write", self.write)

    def write(self, *arguments: Any) -> None:
        if not self.entered.is_set():
            self.entered.set()
            assert self.may_end.wait(_DEADLINE)
        self._write(*arguments)


@contextmanager
def looping(upscaler: Upscaler) -> Iterator[Connection]:
    """Run the loop in a thread; yield the pipe to it."""
    pipe, theirs = multiprocessing.Pipe()

    def run() -> None:
        with suppress(*ENDED):
            Loop(theirs, upscaler).run()

    thread = threading.Thread(target=run)
    thread.start()
    with theirs, pipe:
        yield pipe
        pipe.close()
        thread.join(_DEADLINE)
    assert not thread.is_alive()


def received(pipe: Connection) -> tuple[int, Message | None]:
    assert pipe.poll(_DEADLINE)
    number, message = pipe.recv()
    return number, message


def ends(pipe: Connection, pictures: int) -> list[tuple[int, object]]:
    """Return the pictures that end, in their order, and what failed."""
    ends: list[tuple[int, object]] = []
    while len(ends) < pictures:
        number, message = received(pipe)
        if isinstance(message, End):
            ends.append((number, message.failure))
    return ends


def request_two(pipe: Connection, folder: Path) -> list[Path]:
    targets = [folder / "a_2x.png", folder / "b_2x.png"]
    for number, target in enumerate(targets):
        pipe.send((number, save(folder / f"{number}.png"), target, Options()))
    return targets


def test_the_next_picture_is_upscaled_while_one_is_encoded(
    tmp_path: Path, upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(monkeypatch)
    with looping(upscaler) as pipe:
        targets, share = request_two(pipe, tmp_path), 0.0
        while share < 1:
            number, message = received(pipe)
            assert not isinstance(message, End)
            share = message.share if message and number == 1 else 0
        encoder.may_end.set()
        assert ends(pipe, 2) == [(0, None), (1, None)]
    assert [size(target) for target in targets] == 2 * [(160, 120)]


@pytest.mark.parametrize("reason", [LimitError("too large"), MemoryError()])
def test_what_lacks_memory_beside_an_encoder_is_tried_again_after_it(
    tmp_path: Path, upscaler: Upscaler, monkeypatch: pytest.MonkeyPatch, reason: Exception
) -> None:
    encoder = Encoder(monkeypatch)

    def check_memory(*_: object) -> None:
        if encoder.entered.wait(0.5) and not encoder.may_end.is_set():
            encoder.may_end.set()
            raise reason

    monkeypatch.setattr(files, "check_memory", check_memory)
    with looping(upscaler) as pipe:
        request_two(pipe, tmp_path)
        assert ends(pipe, 2) == [(0, None), (1, None)]


def test_what_lacks_memory_alone_fails(tmp_path: Path, upscaler: Upscaler) -> None:
    with looping(upscaler) as pipe:
        pipe.send((0, save(tmp_path / "in.png"), tmp_path / "out.png", Options(limits=Limits(pixels=10))))
        ((_, failure),) = ends(pipe, 1)
    assert isinstance(failure, LimitError)
    assert not (tmp_path / "out.png").exists()


@pytest.mark.slow
def test_two_pictures_at_which_the_process_ends_are_tried_again_apart(tmp_path: Path, tiny_model: Path) -> None:
    sources = [save(tmp_path / "0.png", 1500, 2000), save(tmp_path / "1.png", 600, 800)]
    targets = [tmp_path / "0_2x.webp", tmp_path / "1_2x.png"]  # a large WebP takes seconds to encode
    with UpscalingProcess(str(tiny_model)) as process:
        first, second = (process.double(*files, Options()) for files in zip(sources, targets, strict=True))
        assert any(progress.share == 1 for progress in first)
        assert any(progress.share > 0 for progress in second)
        (child,) = (c for c in psutil.Process().children() if "spawn_main" in " ".join(c.cmdline()))
        child.send_signal(signal.SIGSEGV)
        for job in (first, second):
            with closing(job):
                reports, shown = tee(job)
                with_bar(shown, "a picture")
                assert list(reports)[-1].share == 1
    assert [size(target) for target in targets] == [(4000, 3000), (1600, 1200)]


def jobs(log: list[str], failing: str = "") -> Iterator[tuple[str, Generator[int, None, None]]]:
    def job(name: str) -> Generator[int, None, None]:
        try:
            log.append(f"{name} begins")
            if name == failing:
                raise PictureError(name)
            yield 0
            yield 1
            log.append(f"{name} ends")
        finally:
            log.append(f"{name} is closed")

    for name in "abc":
        yield name, job(name)


def test_each_job_begins_when_the_one_before_it_comes_to_its_turn() -> None:
    log: list[str] = []
    for name, job in ahead(jobs(log)):
        log.append(f"turn of {name}")
        assert list(job) == [1]
    of_each = [[f"{name} ends", f"{name} is closed"] for name in "abc"]
    assert log == [
        *("a begins", "b begins", "turn of a", *of_each[0]),
        *("c begins", "turn of b", *of_each[1]),
        *("turn of c", *of_each[2]),
    ]


def test_what_fails_at_its_beginning_fails_in_its_turn() -> None:
    names: list[str] = []
    for name, job in ahead(jobs([], failing="b")):
        try:
            list(job)
        except PictureError as error:
            names.append(f"{error} fails")
        else:
            names.append(name)
    assert names == ["a", "b fails", "c"]


def test_jobs_that_nobody_finishes_are_closed() -> None:
    log: list[str] = []
    begun = ahead(jobs(log))
    next(begun)
    begun.close()
    assert log == ["a begins", "b begins", "a is closed", "b is closed"]
