"""Client of the writer process, over pipes whose other ends the tests hold."""

import datetime as dt
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from pydantic import BaseModel

from apps.monitor.__main__ import WRITER
from apps.monitor.apod import Entry
from apps.monitor.copying import Writer
from apps.monitor.history import History
from apps.monitor.hub_history import HubHistoryError, HubHistoryMissingError
from apps.monitor.recording import Recorder
from apps.monitor.writer import EXCHANGE
from apps.serving.jobs import PREPARE
from apps.serving.messages import LONGEST_LINE, Crashed, Done, Failed, OutOfMemory, Refused, Request, Update, to_line
from apps.serving.worker import Worker
from support.nasa import picture
from upscaler.model.artifact import Artifact

ROOT = Path(__file__).parents[2]
SHORT = 0.2  # seconds
DONE = Done(result={})


class OtherEnd:
    """The writer's ends of the pipes."""

    def __init__(self) -> None:
        (requests, to_writer), (from_writer, answers) = os.pipe(), os.pipe()
        self._requests: BinaryIO = os.fdopen(requests, "rb")
        self._answers: BinaryIO = os.fdopen(answers, "wb", buffering=0)
        self._given: tuple[BinaryIO, BinaryIO] = os.fdopen(to_writer, "wb", buffering=0), os.fdopen(from_writer, "rb")

    def writer(self, deadline: float = 30.0) -> Writer:
        """Return the client in the serving process."""
        return Writer(*self._given, deadline)

    def say(self, *messages: BaseModel | bytes) -> None:
        for message in messages:
            self._answers.write(message if isinstance(message, bytes) else to_line(message))

    def asked(self) -> str:
        """Return the job of the next request."""
        return Request.model_validate_json(self._requests.readline()).job

    def end(self) -> None:
        self._requests.close()
        self._answers.close()

    def close(self) -> None:
        """Close all ends of the pipes."""
        self.end()
        for pipe in self._given:
            pipe.close()


@pytest.fixture
def other_end() -> Iterator[OtherEnd]:
    made = OtherEnd()
    yield made
    made.close()


def test_an_exchange_is_requested_and_done(other_end: OtherEnd, history: History) -> None:
    writer = other_end.writer()
    other_end.say(DONE, Update(), DONE)
    writer.exchange(history)
    assert [other_end.asked(), other_end.asked()] == [PREPARE, EXCHANGE]


def test_a_refusal_becomes_an_error_with_its_message(other_end: OtherEnd, history: History) -> None:
    writer = other_end.writer()
    other_end.say(DONE, Refused(sentence="the Hub does not answer"))
    with pytest.raises(HubHistoryError, match="the Hub does not answer"):
        writer.exchange(history)
    other_end.say(DONE)
    writer.exchange(history)


@pytest.mark.parametrize(
    ("end", "logged"),
    [
        (Crashed(traceback="Traceback"), "Traceback"),
        (Failed(errno=28, strerror="No space left on device"), "No space left on device"),
        (OutOfMemory(), "out of memory"),
    ],
)
def test_a_crash_gets_one_sentence_and_its_reason_goes_to_the_log(
    other_end: OtherEnd, history: History, end: BaseModel, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    writer = other_end.writer()
    other_end.say(DONE, end)
    with pytest.raises(HubHistoryError, match="the process that writes it failed"):
        writer.exchange(history)
    assert logged in caplog.text


def test_a_late_answer_is_not_mistaken_for_the_next(other_end: OtherEnd, history: History) -> None:
    writer = other_end.writer(SHORT)
    other_end.say(DONE)
    for _ in range(2):
        with pytest.raises(HubHistoryError, match="took more than"):
            writer.exchange(history)
    other_end.say(DONE)
    with pytest.raises(HubHistoryError, match="took more than"):
        writer.exchange(history)
    assert [other_end.asked(), other_end.asked(), other_end.asked()] == [PREPARE, EXCHANGE, EXCHANGE]


@pytest.mark.parametrize("line", [b"", b"no JSON\n", b"x" * (LONGEST_LINE + 10)])
def test_a_dead_writer_is_reported_once(
    other_end: OtherEnd,
    history: History,
    worker: Worker,
    model: Artifact,
    line: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    writer = other_end.writer()
    other_end.say(DONE, line)
    other_end.end()
    recorder = Recorder(worker, model, history, writer)
    with caplog.at_level(logging.WARNING):
        recorder.exchange()
        recorder.exchange()
    assert caplog.text.count("has ended; restart the monitor") == 1
    for _ in range(2):
        with pytest.raises(HubHistoryMissingError):
            writer.exchange(history)


class Failing:
    """A copy that fails once."""

    def __init__(self) -> None:
        self.asked = 0

    def exchange(self, here: History) -> None:
        self.asked += 1
        if self.asked == 1:
            raise HubHistoryError("no answer")


def test_a_failed_exchange_is_retried(history: History, worker: Worker, model: Artifact) -> None:
    copy = Failing()
    recorder = Recorder(worker, model, history, copy)
    for _ in range(3):
        recorder.exchange()
    assert copy.asked == 2


class Slow:
    """A copy that misses rows added during an exchange."""

    def __init__(self) -> None:
        self.asked = 0
        self.meanwhile: Callable[[], object] = lambda: None

    def exchange(self, here: History) -> None:
        self.asked += 1
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()


def test_a_row_added_during_an_exchange_goes_with_the_next(
    history: History, worker: Worker, model: Artifact, tmp_path: Path
) -> None:
    (tmp_path / "photo").write_bytes(picture())
    copy = Slow()
    recorder = Recorder(worker, model, history, copy)
    copy.meanwhile = lambda: recorder.add(Entry(date=dt.date(2026, 11, 23)), tmp_path / "photo")
    for _ in range(3):
        recorder.exchange()
    assert copy.asked == 2


def test_the_writer_ends_with_its_pipe_during_a_hanging_exchange(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.settimeout(60)
        settings = {"HF_ENDPOINT": f"http://127.0.0.1:{deaf.getsockname()[1]}", "NO_PROXY": "127.0.0.1"}
        settings |= {"HISTORY_REPO": "ada/history", "CACHE": str(tmp_path), "HF_HOME": str(tmp_path)}
        command = [sys.executable, "-m", WRITER]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, cwd=ROOT, env=os.environ | settings, **pipes) as process:
            assert process.stdin and process.stdout
            for job, arguments in ((PREPARE, {"memory": 1_000_000_000, "configuration": {}}), (EXCHANGE, {})):
                process.stdin.write(to_line(Request(job=job, arguments=arguments)))
            process.stdin.flush()
            connection, _ = deaf.accept()
            process.stdin.close()
            assert process.wait(timeout=60) == 0
            connection.close()
