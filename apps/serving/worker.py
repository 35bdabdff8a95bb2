"""The worker process: it opens the pictures of strangers, so that the serving process never does.

A worker does one whole job at a time. When the job is cancelled, exceeds a limit or crashes, the process is ended and
the next one started: that costs one picture and one sentence.
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Self, TypeVar

import psutil
from pydantic import BaseModel, ValidationError

from apps.serving.job_limits import JobLimits
from apps.serving.jobs import PREPARE
from apps.serving.launching import with_project
from apps.serving.messages import (
    LONGEST_LINE,
    Crashed,
    Done,
    Failed,
    Message,
    OutOfMemory,
    Refused,
    Request,
    Update,
    from_line,
    to_line,
)
from upscaler.errors import DoubleResolutionError

_BETWEEN_LOOKS = 0.1  # seconds between two looks at what a job takes, and at most between two updates
_START = 120.0  # seconds that a worker may take to load its models
_TO_END = 1.0  # seconds from the end of its messages to the end of a process

# What the worker's environment holds: what Python and its libraries need, and no secret.
_VARIABLES = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TZ", "VIRTUAL_ENV")
_PREFIXES = ("OMP_", "OPENBLAS_", "PYTHON", "VIPS_")

_UNFORESEEN = "cannot be worked on; export it again as PNG or JPEG"

Result = TypeVar("Result", bound=BaseModel)

log = logging.getLogger(__name__)


class WorkerError(DoubleResolutionError):
    """A job's process was ended, by a limit or a crash; the message is a predicate of the picture's name."""


class JobRefusedError(DoubleResolutionError):
    """The worker refused a job, with a sentence for the person."""


class Worker:
    """A process that runs the jobs of one program, one at a time. Threads may share it."""

    def __init__(self, program: str, configuration: Mapping[str, Any], limits: JobLimits) -> None:
        """`program`: a module that calls `jobs.serve`; `configuration`: JSON values for its `prepare`."""
        self.limits = limits
        self.facts: dict[str, Any] = {}
        self._program = program
        self._prepare = Request(job=PREPARE, arguments={"memory": limits.memory, "configuration": dict(configuration)})
        self._turn = threading.Lock()
        self._process: _Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process and wait until it is ready. Raises JobRefusedError or WorkerError if it cannot start."""
        with self._turn:
            self._ready()

    def run(
        self, job: str, arguments: Mapping[str, Any], result: type[Result], seconds: float | None = None
    ) -> Iterator[Update | Result]:
        """Run a job: yield updates, several a second, and at last its result.

        `seconds`: wall-clock time for this job where it is less than the limit. Closing the iterator ends the job.
        Raises JobRefusedError, WorkerError if the job exceeded a limit or crashed, or the OSError that ended it.
        """
        with self._turn:
            process = self._ready()
            limits = replace(self.limits, seconds=min(self.limits.seconds, seconds or self.limits.seconds))
            try:
                done = yield from process.run(Request(job=job, arguments=dict(arguments)), limits)
                found = result.model_validate(done.result)
            except (JobRefusedError, OSError):
                raise
            except ValidationError as error:
                self._replace()
                raise WorkerError(_UNFORESEEN) from error
            except BaseException:  # GeneratorExit among them: the job was cancelled
                self._replace()
                raise
        yield found

    def close(self) -> None:
        """End the process, whatever it is doing."""
        if self._process:
            self._process.end()

    def _ready(self) -> "_Process":
        process = self._process
        if process is None or not process.is_alive:
            process = self._replace()
        if not process.is_ready:
            try:
                self.facts = process.prepare(self._prepare, replace(self.limits, seconds=_START))
            except BaseException:
                process.end()
                raise
        return process

    def _replace(self) -> "_Process":
        """Start the next process at once: it loads its libraries before the next job comes."""
        self.close()
        self._process = _Process(self._program)
        return self._process


class _Process:
    """One process with its pipes, and a folder for what its libraries put aside."""

    def __init__(self, program: str) -> None:
        self.is_ready = False
        self._folder = tempfile.mkdtemp(prefix="worker_")
        self._popen = subprocess.Popen(
            [sys.executable, "-m", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(self._folder),
            process_group=0,  # Ctrl-C is for the serving process, which ends this one
        )
        self._mailbox = _Mailbox()
        threading.Thread(target=self._read, daemon=True, name="messages of a worker").start()

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def prepare(self, request: Request, limits: JobLimits) -> dict[str, Any]:
        """Run the first job; returns its result."""
        preparing = self.run(request, limits)
        while True:
            try:
                next(preparing)
            except StopIteration as end:
                self.is_ready = True
                facts: dict[str, Any] = end.value.result
                return facts

    def run(self, request: Request, limits: JobLimits) -> Generator[Update, None, Done]:
        """Run a job: yield updates and return its result."""
        self._send(request)
        watch, update = _Watch(self._popen.pid, limits), Update()
        while True:
            match self._mailbox.take(_BETWEEN_LOOKS):
                case None:
                    pass
                case Update() as update:
                    pass
                case Done() as done:
                    return done
                case Refused(sentence=sentence):
                    raise JobRefusedError(sentence)
                case Failed() as failed:
                    raise OSError(failed.errno, failed.strerror, failed.filename)
                case OutOfMemory():
                    raise WorkerError(_too_much_memory(limits))
                case Crashed(traceback=traceback):
                    log.error("a job ended unexpectedly: %s", traceback)
                    raise WorkerError(_UNFORESEEN)
                case Ended():
                    raise WorkerError(self._predicate_of_end())
            watch.check()
            yield update

    def end(self) -> None:
        """End the process and remove its folder."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe:
                with suppress(OSError):  # a request that was not taken any more
                    pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _send(self, request: Request) -> None:
        assert self._popen.stdin
        with suppress(OSError):  # the process has ended, which the other pipe tells
            self._popen.stdin.write(to_line(request))
            self._popen.stdin.flush()

    def _read(self) -> None:
        """Put messages into the mailbox until the process ends or breaks the protocol."""
        assert self._popen.stdout
        try:
            while line := self._popen.stdout.readline(LONGEST_LINE + 1):
                self._mailbox.put(from_line(line))
        except ValueError as error:  # or the pipe was closed because the process is ended
            log.error("%s", error)
        self._mailbox.put(Ended())

    def _predicate_of_end(self) -> str:
        with suppress(subprocess.TimeoutExpired):  # it closed its pipe and goes on
            if self._popen.wait(_TO_END) == -signal.SIGKILL:  # by the kernel: nobody reads this of one that we ended
                return "needed more memory than this machine has; make it smaller"
        return "ended the program that reads it; export it again as PNG or JPEG, or make it smaller"


class Ended:
    """The last of a worker's messages, put by the thread that reads them."""


class _Mailbox:
    """The newest message that was not taken yet: an update gives way to what follows, so nothing piles up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._message: Message | Ended | None = None

    def put(self, message: Message | Ended) -> None:
        with self._changed:
            self._message = message
            self._changed.notify()

    def take(self, seconds: float) -> Message | Ended | None:
        """Wait for a message, for at most `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._message is not None, seconds)
            message, self._message = self._message, None
            return message


class _Watch:
    """Compares what a job takes with its limits."""

    def __init__(self, pid: int, limits: JobLimits) -> None:
        self._process, self._limits = psutil.Process(pid), limits
        self._started, self._cpu_before = time.monotonic(), self._cpu_seconds()

    def check(self) -> None:
        """Raise WorkerError if the job exceeds a limit."""
        if time.monotonic() - self._started > self._limits.seconds:
            raise WorkerError(
                f"took longer than {_minutes(self._limits.seconds)}; make it smaller or choose a faster model"
            )
        with suppress(psutil.Error):  # the process has ended, which the pipe tells
            if self._cpu_seconds() - self._cpu_before > self._limits.cpu_seconds:
                raise WorkerError(f"took more than {_minutes(self._limits.cpu_seconds)} of CPU time; make it smaller")
            if self._process.memory_info().rss > self._limits.memory:
                raise WorkerError(_too_much_memory(self._limits))

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _environment(folder: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _VARIABLES or name.startswith(_PREFIXES)}
    return with_project(kept) | {"TMPDIR": folder}


def _too_much_memory(limits: JobLimits) -> str:
    return f"needs more than {limits.memory / 1e9:.1f} GB of memory; make it smaller"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
