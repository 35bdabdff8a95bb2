"""Process that upscales the pictures of a folder, so that one that crashes its decoder costs only itself.

It is no sandbox: it has all rights of the user. No pixels cross the process boundary. For 20 photos of 0.1 megapixels
it takes 1.6 % more CPU time than upscaling in this process, for one of 12 megapixels no more.
"""

import logging
import multiprocessing
import signal
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

from upscaler.atomic import atomic_path_in_folder
from upscaler.config import Options
from upscaler.engines.devices import Device
from upscaler.engines.precision import Precision
from upscaler.errors import DoubleResolutionError, ModelError, PictureError
from upscaler.signals import held

if TYPE_CHECKING:
    from upscaler.upscaler import Progress, Upscaler

_EXIT_TIMEOUT = 1.0  # seconds from the end of a process's messages to its exit
_ENDED = (EOFError, BrokenPipeError, ConnectionResetError)  # what a pipe raises if the other process has ended


@dataclass(frozen=True)
class _End:
    """Last message about a file. records: warnings, which the process itself would write into the progress bar."""

    records: list[logging.LogRecord]
    failure: PictureError | OSError | None


class UpscalingProcess:
    """A process that upscales one file at a time; one that has ended is replaced at the next file."""

    def __init__(self, model: str, precision: Precision | None = None, device: Device = "cpu") -> None:
        """Load the model in a new process. Raises ModelError or OptionError if that fails."""
        self._model, self._precision, self._device = model, precision, device
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def double(self, source: Path, target: Path, options: Options) -> "Generator[Progress, None, None]":
        """Upscale a file as `double_file` does. Closing the iterator ends the process and leaves no file.

        Raises PictureError also for a file at which the process has ended, or failed unexpectedly.
        """
        with atomic_path_in_folder(target) as temporary:
            if not self._process.is_alive():
                self._start()
            try:
                yield from self._run(source, temporary, options)
            except (PictureError, OSError):
                raise
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, self._model, self._precision, self._device), daemon=True
        )
        with held():  # a signal to the whole group is for this process, which ends the other one
            self._process.start()
        theirs.close()
        try:
            failure = self._pipe.recv()
        except EOFError:
            raise ModelError(f"{self._model} ended the process that loads it; give another model") from None
        except BaseException:
            self.close()
            raise
        if failure:
            raise failure

    def _run(self, source: Path, target: Path, options: Options) -> "Iterator[Progress]":
        try:
            self._pipe.send((source, target, options))
            while not isinstance(message := self._pipe.recv(), _End):
                yield message
        except _ENDED:
            raise PictureError(f"{source} {self._predicate_of_end()}") from None
        for record in message.records:
            logging.getLogger(record.name).handle(record)
        if message.failure:
            raise message.failure

    def _predicate_of_end(self) -> str:
        self._process.join(_EXIT_TIMEOUT)
        if self._process.exitcode == -signal.SIGKILL:  # from the kernel: we end the process only when we stop, too
            return "needed more memory than this machine has; make it smaller or free memory"
        return "crashed the program that reads it; export it again as PNG or JPEG"


def _serve(pipe: Connection, model: str, precision: Precision | None, device: Device) -> None:
    """Load the model, send None or what failed, then upscale each requested file: send progress, then an _End."""
    from upscaler.upscaler import Upscaler

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for Windows, where `held` does nothing
    with suppress(*_ENDED):
        try:
            upscaler = Upscaler.load(model, precision, device)
        except (DoubleResolutionError, ModuleNotFoundError, OSError) as error:
            pipe.send(error)
            return
        pipe.send(None)
        records: SimpleQueue[logging.LogRecord] = SimpleQueue()
        logging.getLogger().addHandler(QueueHandler(records))
        while True:
            failure = _double(pipe, upscaler, *pipe.recv())
            pipe.send(_End([records.get() for _ in range(records.qsize())], failure))


def _double(
    pipe: Connection, upscaler: "Upscaler", source: Path, target: Path, options: Options
) -> PictureError | OSError | None:
    """Upscale a file and send the progress; return what failed."""
    from upscaler.files import double_file

    try:
        for progress in double_file(upscaler, source, target, options):
            pipe.send(progress)
    except (PictureError, OSError) as error:
        return error
    except MemoryError:
        return PictureError(f"{source} needs more memory than is free; make it smaller or free memory")
    except Exception as error:  # a run of hours must not end at one file
        reason = f"{type(error).__name__}: {error}"
        return PictureError(f"{source} cannot be upscaled ({reason}); upscale it alone to see why")
    return None
