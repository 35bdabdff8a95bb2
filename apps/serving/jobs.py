"""Worker side of the pipe: runs jobs one at a time and reports progress and outcome."""

import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import validate_call

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
    last_of,
    to_line,
)
from upscaler.errors import DoubleResolutionError

Job = Callable[..., Generator[Update, None, dict[str, Any]]]
PREPARE = "prepare"  # the first job, which defines the others
_NICENESS = 10  # keeps pages responsive while jobs run
_OOM_SCORE = "1000"  # out of memory, the kernel kills this process first


def serve(prepare: Callable[..., tuple[Mapping[str, Job], dict[str, Any]]]) -> None:
    """Run jobs until the serving process ends.

    `prepare` gets the configuration given to `Worker`, and returns the jobs by name and the facts for `Worker.facts`. A
    job takes JSON values, validated against its type hints.
    """
    requests, answers = _standard_streams()
    jobs: dict[str, Job] = {}

    def first(memory: int, configuration: dict[str, Any]) -> Generator[Update, None, dict[str, Any]]:
        yield Update()
        _limit(memory)
        made, facts = prepare(**configuration)
        jobs.update({name: validate_call(job) for name, job in made.items()})
        return facts

    jobs[PREPARE] = first
    for request in _received(requests):
        for message in _outcome(jobs[request.job], request.arguments):
            answers.write(to_line(message))
        if request.job == PREPARE:
            _redirect_to_nowhere(sys.stderr.fileno())  # decoders print text from untrusted files


def _outcome(job: Job, arguments: dict[str, Any]) -> Iterator[Message]:
    """Run a job: yield its updates, then its final message."""
    try:
        result = yield from job(**arguments)
        yield Done(result=result)
    except DoubleResolutionError as error:
        yield Refused(sentence=last_of(str(error)))
    except MemoryError:
        yield OutOfMemory()
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            name = None if error.filename is None else last_of(os.fspath(error.filename))
            yield Failed(errno=error.errno, strerror=last_of(error.strerror or ""), filename=name)
        else:
            yield Crashed(traceback=last_of(traceback.format_exc()))


def _standard_streams() -> tuple[BinaryIO, BinaryIO]:
    """Reserve standard input and output for messages; output of libraries must not mix in."""
    streams = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    for descriptor in (0, 1):
        _redirect_to_nowhere(descriptor)
    return streams


def _redirect_to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _received(stream: BinaryIO) -> Iterator[Request]:
    """Yield requests; exit the process at the end of the stream, even during a job."""
    received: queue.Queue[Request] = queue.Queue()

    def read() -> None:
        while line := stream.readline(LONGEST_LINE):
            received.put(Request.model_validate_json(line))
        os._exit(0)  # the serving process has ended

    threading.Thread(target=read, daemon=True, name="requests").start()
    while True:
        yield received.get()


def _limit(memory: int) -> None:
    """Limit this process to `memory` bytes and lower its priority below the serving process."""
    if hasattr(os, "nice"):
        os.nice(_NICENESS)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="utf-8")
    if sys.platform == "linux":  # elsewhere RLIMIT_DATA differs, and only the serving process watches memory
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would contain the picture
