"""Loop of the process that upscales the pictures of a folder."""

import logging
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, TypeAlias, Union

from upscaler.config import Options
from upscaler.engines.devices import Device
from upscaler.engines.precision import Precision
from upscaler.errors import DoubleResolutionError, LimitError, PictureError

if TYPE_CHECKING:
    from upscaler.upscaler import Progress, Upscaler

ENDED = (EOFError, BrokenPipeError, ConnectionResetError)  # what a pipe raises if the other process has ended


@dataclass(frozen=True)
class End:
    """Last message about a file."""

    failure: PictureError | OSError | None


Message: TypeAlias = Union["Progress", End]


def serve(pipe: Connection, model: str, precision: Precision | None, device: Device) -> None:
    """Load the model, send None or what failed, then upscale each requested file.

    Sent are pairs of a request's number and a message about it, None when it begins, and the log records, which this
    process would write into the progress bar.
    """
    from upscaler.upscaler import Upscaler

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for Windows, where `held` does nothing
    with suppress(*ENDED):
        try:
            upscaler = Upscaler.load(model, precision, device)
        except (DoubleResolutionError, ModuleNotFoundError, OSError) as error:
            pipe.send(error)
            return
        pipe.send(None)
        Loop(pipe, upscaler).run()


class Loop:
    """Upscales one file after another; each is encoded while the network already runs on the next."""

    def __init__(self, pipe: Connection, upscaler: "Upscaler") -> None:
        """Take requests from `pipe`, and send messages to it."""
        self._pipe, self._upscaler, self._outbox = pipe, upscaler, _Outbox(pipe)
        self._encoding: Thread | None = None  # of the file before

    def run(self) -> None:
        """Upscale until the other process ends, of which the pipe's exception tells."""
        while True:
            self._double(*self._pipe.recv())

    def _double(self, number: int, source: Path, target: Path, options: Options) -> None:
        """Upscale a file and begin to encode it."""
        self._outbox.send(number, None)
        messages = _messages(self._upscaler, source, target, options)
        for message in messages:
            if _exceeds_limit(message) and self._has_encoded():  # the memory of the file before is free again
                return self._double(number, source, target, options)
            self._outbox.send(number, message)
            if not isinstance(message, End) and message.share == 1:
                self._has_encoded()
                self._encoding = Thread(target=self._send, args=(number, messages), name="encoding", daemon=True)
                self._encoding.start()
                return None
        return None

    def _has_encoded(self) -> bool:
        """Wait until the file before is encoded; return False if there is none since the last time."""
        if self._encoding is None:
            return False
        self._encoding.join()
        self._encoding = None
        return True

    def _send(self, number: int, messages: Iterator[Message]) -> None:
        with suppress(*ENDED):
            for message in messages:
                self._outbox.send(number, message)


class _Outbox:
    """The sending end of a pipe, for several threads; before each message go the log records so far."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe, self._lock = pipe, Lock()
        self._records: SimpleQueue[logging.LogRecord] = SimpleQueue()
        logging.getLogger().addHandler(QueueHandler(self._records))

    def send(self, number: int, message: Message | None) -> None:
        with self._lock:
            while not self._records.empty():
                self._pipe.send(self._records.get())
            self._pipe.send((number, message))


def _exceeds_limit(message: Message) -> bool:
    return isinstance(message, End) and isinstance(message.failure, LimitError)


def _messages(upscaler: "Upscaler", source: Path, target: Path, options: Options) -> Iterator[Message]:
    """Upscale a file: yield the progress, then what failed."""
    from upscaler.files import double_file

    failure: PictureError | OSError | None = None
    try:
        yield from double_file(upscaler, source, target, options)
    except (PictureError, OSError) as error:
        failure = error
    except MemoryError:
        failure = LimitError(f"{source} needs more memory than is free; make it smaller or free memory")
    except Exception as error:  # a run of hours must not end at one file
        reason = f"{type(error).__name__}: {error}"
        failure = PictureError(f"{source} cannot be upscaled ({reason}); upscale it alone to see why")
    yield End(failure)
