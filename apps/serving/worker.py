"""Worker process, which opens untrusted pictures so that the serving process never does.

A worker runs one complete job at a time. If the job is cancelled, exceeds a limit or crashes, its process is killed and
replaced: the cost is one picture and one error message.
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TypeVar

import psutil
from pydantic import BaseModel, ValidationError

from apps.serving import messages
from apps.serving.job_limits import JobLimits
from apps.serving.jobs import PREPARE
from apps.serving.launching import with_project
from apps.serving.messages import Crashed, Done, Failed, Message, OutOfMemory, Refused, Request, Update
from apps.serving.temporary import worker_folder
from upscaler.errors import DoubleResolutionError
from upscaler.limits import duration

_POLL_INTERVAL = 0.1  # seconds between two checks of a job's limits, and at most between two updates
_START_TIMEOUT = 120.0  # seconds to load the models
_EXIT_TIMEOUT = 1.0  # seconds from the end of a process's messages to its exit

# The worker's environment: variables for Python and its libraries, no secrets
_VARIABLES = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "SYSTEMROOT", "TZ", "VIRTUAL_ENV")
_PREFIXES = ("OMP_", "OPENBLAS_", "PYTHON", "VIPS_")

_UNEXPECTED = "cannot be processed; export it again as PNG or JPEG"

Result = TypeVar("Result", bound=BaseModel)

log = logging.getLogger(__name__)


class WorkerError(DoubleResolutionError):
    """Error for a job whose process exceeded a limit or crashed; the message is a predicate of the picture's name."""


class JobRefusedError(DoubleResolutionError):
    """Error for a job that the worker refused, with a message for the user."""


class Worker:
    """A process that runs the jobs of one program, one at a time; thread-safe."""

    def __init__(self, program: str, configuration: Mapping[str, Any], limits: JobLimits) -> None:
        """Set the program, a module that calls `jobs.serve`, and the configuration, JSON values for its `prepare`."""
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

    def run(self, job: str, arguments: Mapping[str, Any], result: type[Result]) -> Generator[Update | Result]:
        """Run a job: yield updates, several per second, then its result.

        Closing the iterator cancels the job. Raises JobRefusedError, WorkerError if the job exceeded a limit or
        crashed, or the OSError that ended it.
        """
        with self._turn:
            process = self._ready()
            try:
                done = yield from process.run(Request(job=job, arguments=dict(arguments)), self.limits)
                found = result.model_validate(done.result)
            except (JobRefusedError, OSError):
                raise
            except ValidationError as error:
                self._replace()
                raise WorkerError(_UNEXPECTED) from error
            except BaseException:  # including GeneratorExit: the job was cancelled
                self._replace()
                raise
        yield found

    def close(self) -> None:
        """Kill the process, even during a job."""
        if self._process:
            self._process.end()

    def _ready(self) -> "_Process":
        process = self._process
        if process is None or not process.is_alive:
            process = self._replace()
        if not process.is_ready:
            try:
                self.facts = process.prepare(self._prepare, replace(self.limits, seconds=_START_TIMEOUT))
            except BaseException:
                process.end()
                raise
        return process

    def _replace(self) -> "_Process":
        """Start the next process at once, so that it loads its libraries before the next job."""
        self.close()
        self._process = _Process(self._program)
        return self._process


class _Process:
    """One process with its pipes and a folder for its temporary files."""

    def __init__(self, program: str) -> None:
        self.is_ready = False
        self._folder = worker_folder()
        self._popen = subprocess.Popen(
            [sys.executable, "-m", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(self._folder),
            process_group=0,  # only the serving process gets Ctrl-C, and it ends this one
        )
        self._mailbox = _Mailbox()
        threading.Thread(target=self._read, daemon=True, name="messages of a worker").start()

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def prepare(self, request: Request, limits: JobLimits) -> dict[str, Any]:
        """Run the first job and return its result."""
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
        assert self._popen.stdin
        messages.send(self._popen.stdin, request)
        watch, update = _LimitMonitor(self._popen.pid, limits), Update()
        while True:
            match self._mailbox.take(_POLL_INTERVAL):
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
                    raise WorkerError(_UNEXPECTED)
                case Ended():
                    raise WorkerError(self._predicate_of_end())
            watch.check()
            yield update

    def end(self) -> None:
        """Kill the process and remove its folder."""
        self._popen.kill()
        self._popen.wait()
        for pipe in (self._popen.stdin, self._popen.stdout):
            if pipe:
                with suppress(OSError):  # a request that was not read
                    pipe.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> None:
        assert self._popen.stdout
        for message in messages.received(self._popen.stdout):
            self._mailbox.put(message)
        self._mailbox.put(Ended())

    def _predicate_of_end(self) -> str:
        with suppress(subprocess.TimeoutExpired):  # it closed its pipe and keeps running
            # SIGKILL is from the kernel: after our own, nobody reads this message
            if self._popen.wait(_EXIT_TIMEOUT) == -signal.SIGKILL:
                return "needed more memory than this machine has; make it smaller"
        return "crashed the program that reads it; export it again as PNG or JPEG, or make it smaller"


class Ended:
    """End of a worker's messages, put by the thread that reads them."""


class _Mailbox:
    """Holder of the newest unread message; an unread update is replaced, so that no queue builds up."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._message: Message | Ended | None = None

    def put(self, message: Message | Ended) -> None:
        with self._changed:
            self._message = message
            self._changed.notify()

    def take(self, seconds: float) -> Message | Ended | None:
        """Return the next message, or None after `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._message is not None, seconds)
            message, self._message = self._message, None
            return message


class _LimitMonitor:
    """Monitor of a job's memory and time."""

    def __init__(self, pid: int, limits: JobLimits) -> None:
        self._process, self._limits = psutil.Process(pid), limits
        self._started, self._cpu_before = time.monotonic(), self._cpu_seconds()

    def check(self) -> None:
        """Raise WorkerError if the job exceeds a limit."""
        if time.monotonic() - self._started > self._limits.seconds:
            raise WorkerError(
                f"took longer than {duration(self._limits.seconds)}; make it smaller or choose a faster model"
            )
        with suppress(psutil.Error):  # the process has ended; the pipe reports it
            if self._cpu_seconds() - self._cpu_before > self._limits.cpu_seconds:
                raise WorkerError(f"took more than {duration(self._limits.cpu_seconds)} of CPU time; make it smaller")
            if self._process.memory_info().rss > self._limits.memory:
                raise WorkerError(_too_much_memory(self._limits))

    def _cpu_seconds(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


def _environment(folder: Path) -> dict[str, str]:
    allowed = {name: value for name, value in os.environ.items() if name in _VARIABLES or name.startswith(_PREFIXES)}
    return with_project(allowed) | {"TMPDIR": str(folder)}


def _too_much_memory(limits: JobLimits) -> str:
    return f"needs more than {limits.memory / 1e9:.1f} GB of memory; make it smaller"
