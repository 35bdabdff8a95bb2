"""Client of the writer process, in the serving process: requests synchronisation of the history with the Hub."""

import logging
import queue
import threading
from typing import BinaryIO

from apps.monitor.history import History
from apps.monitor.hub_history import HubHistoryError, HubHistoryMissingError
from apps.monitor.writer import EXCHANGE
from apps.serving import messages
from apps.serving.jobs import PREPARE
from apps.serving.launching import pipes_to_keeper
from apps.serving.messages import Crashed, Done, Message, Refused, Request, Update

DEADLINE = 120.0  # seconds for one exchange
_MEMORY = 1_000_000_000  # bytes, limit of the writer

log = logging.getLogger(__name__)


class Writer:
    """The writer process, started before the serving process dropped the Hub's token."""

    def __init__(self, requests: BinaryIO, answers: BinaryIO, deadline: float = DEADLINE) -> None:
        """Set the pipes to and from the process, and the `deadline` of one exchange in seconds."""
        self._requests, self._pipe, self._deadline = requests, answers, deadline
        self._answers: queue.Queue[Message | None] = queue.Queue()  # None: end of the stream
        self._turn = threading.Lock()
        self._is_busy = False
        threading.Thread(target=self._read, daemon=True, name="answers of the writer").start()
        self._send(Request(job=PREPARE, arguments={"memory": _MEMORY, "configuration": {}}))

    def exchange(self, here: History) -> None:
        """Have the writer run `HubHistory.exchange` on `here`, whose file it has open as well.

        Raises HubHistoryError if that fails or takes too long, HubHistoryMissingError if the writer has ended.
        """
        with self._turn:
            if self._is_busy:  # starting, or with an exchange that timed out
                self._check(self._answer())
            self._send(Request(job=EXCHANGE, arguments={}))
            self._check(self._answer())

    def _send(self, request: Request) -> None:
        self._is_busy = True
        messages.send(self._requests, request)

    def _answer(self) -> Message:
        try:
            answer = self._answers.get(timeout=self._deadline)
        except queue.Empty as error:
            raise HubHistoryError(f"the Hub took more than {self._deadline:.0f} s for the history's copy") from error
        if answer is None:
            self._answers.put(None)
            raise HubHistoryMissingError("the process that writes the history's copy has ended; restart the monitor")
        self._is_busy = False
        return answer

    def _check(self, answer: Message) -> None:
        match answer:
            case Done():
                return
            case Refused(sentence=sentence):
                raise HubHistoryError(sentence)
            case Crashed(traceback=traceback):
                log.error("an exchange with the Hub ended unexpectedly: %s", traceback)
            case _:
                log.error("an exchange with the Hub failed: %s", answer)
        raise HubHistoryError("the history's copy on the Hub is not up to date: the process that writes it failed")

    def _read(self) -> None:
        for message in messages.received(self._pipe):
            if not isinstance(message, Update):
                self._answers.put(message)
        self._answers.put(None)  # the end of the process


def started_writer() -> Writer | None:
    """Return the writer process, if one was started."""
    pipes = pipes_to_keeper()
    return Writer(*pipes) if pipes else None
