"""Process that upscales the pictures of a folder, so that one that crashes its decoder costs only itself.

It is no sandbox: it has all rights of the user. No pixels cross the process boundary. For 20 photos of 0.1 megapixels
it takes 3 % more CPU time than upscaling in this process, in less wall-clock time.
"""

import logging
import multiprocessing
import signal
from collections import defaultdict, deque
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Self

from upscaler.ahead import Begun
from upscaler.atomic import atomic_path_in_folder
from upscaler.config import Options
from upscaler.engines.devices import Device
from upscaler.engines.precision import Precision
from upscaler.errors import ModelError, PictureError
from upscaler.process_loop import ENDED, End, Message, serve
from upscaler.signals import held

if TYPE_CHECKING:
    from upscaler.upscaler import Progress

_EXIT_TIMEOUT = 1.0  # seconds from the end of a process's messages to its exit


class UpscalingProcess:
    """A process that upscales files, each encoded beside the network of the next; one that has ended is replaced."""

    def __init__(self, model: str, precision: Precision | None = None, device: Device = "cpu") -> None:
        """Load the model in a new process. Raises ModelError or OptionError if that fails."""
        self._started = partial(_Process, model, precision, device)
        self._process = self._started()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def double(self, source: Path, target: Path, options: Options) -> "Generator[Progress, None, None]":
        """Upscale a file as `double_file` does, after those that have begun; the first progress, 0, comes at once.

        Closing the iterator ends the process and leaves no file. If the process ends while it has begun two files,
        each is tried again in a process of its own.
        Raises PictureError also for a file at which the process has ended, or failed unexpectedly.
        """
        with atomic_path_in_folder(target) as temporary:
            try:
                yield from self._double(source, temporary, options)
            except (PictureError, OSError):
                raise
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Kill the process."""
        self._process.close()

    def _double(self, source: Path, target: Path, options: Options) -> "Iterator[Progress]":
        if not self._process.is_alive():
            self._process = self._started()
        try:
            yield from self._process.double(source, target, options)
        except _OtherEndedError:
            with closing(self._started()) as process:
                yield from Begun(process.double(source, target, options))  # the caller has had a first progress


class _OtherEndedError(Exception):
    """The process has ended, and another file may be the reason."""


class _Process:
    """A process with the model loaded, and the messages that it has sent about each file."""

    def __init__(self, model: str, precision: Precision | None, device: Device) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, model, precision, device), daemon=True)
        self._numbers, self._begun = count(), set[int]()
        self._messages: defaultdict[int, deque[Message]] = defaultdict(deque)
        with held():  # a signal to the whole group is for this process, which ends the other one
            self._process.start()
        theirs.close()
        try:
            failure = self._pipe.recv()
        except EOFError:
            raise ModelError(f"{model} ended the process that loads it; give another model") from None
        except BaseException:
            self.close()
            raise
        if failure:
            raise failure

    def is_alive(self) -> bool:
        return self._process.is_alive()

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def double(self, source: Path, target: Path, options: Options) -> "Generator[Progress, None, None]":
        """Upscale a file. Raises _OtherEndedError, or PictureError if the process has ended at this file."""
        number = next(self._numbers)
        try:
            self._pipe.send((number, source, target, options))
            yield _nothing()
            while not isinstance(message := self._received(number), End):
                yield message
        except ENDED:
            if self._begun - {number}:
                raise _OtherEndedError from None
            raise PictureError(f"{source} {self._predicate_of_end()}") from None
        finally:
            self._messages.pop(number, None)
        if message.failure:
            raise message.failure

    def _received(self, number: int) -> Message:
        """Return the next message about a file; keep those about others."""
        while not self._messages[number]:
            received = self._pipe.recv()
            if isinstance(received, logging.LogRecord):
                logging.getLogger(received.name).handle(received)
                continue
            about, message = received
            self._begun.add(about)
            if message:
                self._messages[about].append(message)
            if isinstance(message, End):
                self._begun.remove(about)
        return self._messages[number].popleft()

    def _predicate_of_end(self) -> str:
        self._process.join(_EXIT_TIMEOUT)
        if self._process.exitcode == -signal.SIGKILL:  # from the kernel: we end the process only when we stop, too
            return "needed more memory than this machine has; make it smaller or free memory"
        return "crashed the program that reads it; export it again as PNG or JPEG"


def _nothing() -> "Progress":
    from upscaler.upscaler import Progress  # brings NumPy, in the time that the other process needs anyway

    return Progress(0, 0, 0)
