"""Worker whose jobs misbehave in all the ways that a decoder may."""

import mmap
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from apps.serving.jobs import Job, serve
from apps.serving.messages import LONGEST_LINE, Update
from upscaler.errors import PictureError


def prepare(greeting: str) -> tuple[dict[str, Job], dict[str, Any]]:
    jobs: dict[str, Job] = {name: _job(work) for name, work in WORKS.items()}
    return jobs | {"count": count, "limits": limits, "environment": environment}, {"greeting": greeting}


def count(to: int) -> Generator[Update, None, dict[str, Any]]:
    for n in range(to):
        yield Update(share=n / to)
    return {"counted": to, "process": os.getpid()}


def limits() -> Generator[Update, None, dict[str, Any]]:
    yield Update()
    return {
        "memory": resource.getrlimit(resource.RLIMIT_DATA),
        "core": resource.getrlimit(resource.RLIMIT_CORE),
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "oom_score": int(Path("/proc/self/oom_score_adj").read_text(encoding="ascii")),
    }


def environment() -> Generator[Update, None, dict[str, Any]]:
    yield Update()
    return dict(os.environ)


def _job(work: Callable[[], object]) -> Job:
    def job() -> Generator[Update, None, dict[str, Any]]:
        yield Update()
        work()
        return {}

    return job


def _compute_for_ever() -> None:
    while True:
        pass


def _refuse() -> None:
    raise PictureError("photo.jpg is too large")


def _fail() -> None:
    raise RuntimeError("unforeseen")


def _take_memory() -> None:
    held = []
    while True:
        held.append(bytearray(50_000_000))


def _take_memory_of_a_file() -> None:
    """Take memory that RLIMIT_DATA does not count, as a decoder that maps a file would."""
    with tempfile.TemporaryFile() as file:
        file.truncate(700_000_000)
        with mmap.mmap(file.fileno(), 0) as mapped:
            for start in range(0, len(mapped), mmap.PAGESIZE):
                mapped[start] = 1
            time.sleep(1000)


def _crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def _end_as_out_of_memory() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _print() -> None:
    print("a library's words", flush=True)
    os.write(1, b"more of them\n")
    os.write(2, b"and of its errors\n")


def _answer(line: bytes) -> None:
    """Write to the pipe without the protocol, as a compromised process could."""
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, line)
        except OSError:
            continue


WORKS: dict[str, Callable[[], object]] = {
    "compute for ever": _compute_for_ever,
    "sleep for ever": lambda: time.sleep(1000),
    "refuse": _refuse,
    "fail": _fail,
    "take memory": _take_memory,
    "take memory of a file": _take_memory_of_a_file,
    "crash": _crash,
    "end as out of memory": _end_as_out_of_memory,
    "open what is gone": lambda: Path("/gone.jpg").read_bytes(),
    "exit": lambda: sys.exit(3),
    "print": _print,
    "answer nonsense": lambda: _answer(b"no JSON\n"),
    "answer at length": lambda: _answer(b"x" * (LONGEST_LINE + 10)),
    "answer a lie": lambda: _answer(b'{"kind": "update", "share": 1e999}\n'),
}

if __name__ == "__main__":
    serve(prepare)
