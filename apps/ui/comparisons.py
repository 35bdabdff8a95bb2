"""Comparisons of finished pictures, made one after another, once they are asked for."""

import asyncio
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from weakref import WeakKeyDictionary

from apps.serving.refusal import RequestRefusedError
from apps.serving.viewer.comparison import Comparison
from apps.serving.viewer.markup import markup
from apps.serving.worker import JobRefusedError, Worker, WorkerError
from apps.ui.batch import COMPARISON, Picture

_UNFINISHED_EACH, _UNFINISHED = 10, 50  # per visitor and of all
_RETRY_INTERVAL = 60.0  # seconds in which a failure is remembered; memory may have been short


class Comparisons:
    """Tasks that make comparisons, one a picture, for all who ask; used by the server's loop alone."""

    def __init__(self, worker: Worker) -> None:
        """Set the worker, which is closed with this."""
        self._worker = worker
        self._thread = ThreadPoolExecutor(1, "comparing")  # its own, because others answer requests
        self._tasks: WeakKeyDictionary[Picture, asyncio.Task[str]] = WeakKeyDictionary()
        self._unfinished: Counter[str] = Counter()  # by visitor

    async def of(self, picture: Picture, address: str, visitor: str) -> str:
        """Return the markup of a finished picture's comparison. address: of its tiles.

        Raises RequestRefusedError if it cannot be made, or too many others are waited for.
        """
        if picture not in self._tasks:
            self._begin(picture, address, visitor)
        return await asyncio.shield(self._tasks[picture])  # others wait for it, too

    def close(self) -> None:
        """End the worker."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._worker.close()

    def _begin(self, picture: Picture, address: str, visitor: str) -> None:
        if self._unfinished[visitor] >= _UNFINISHED_EACH or self._unfinished.total() >= _UNFINISHED:
            raise RequestRefusedError(503, "too many comparisons are being made; try again in a minute")
        self._unfinished[visitor] += 1
        self._tasks[picture] = asyncio.create_task(self._made(picture, address, visitor))

    async def _made(self, picture: Picture, address: str, visitor: str) -> str:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, compared, self._worker, picture, address)
        except (JobRefusedError, WorkerError, OSError) as error:
            loop.call_later(_RETRY_INTERVAL, self._tasks.pop, picture, None)
            raise RequestRefusedError(422, "this picture cannot be shown here; download it instead") from error
        finally:
            self._unfinished[visitor] -= 1
            self._unfinished += Counter()  # drop zeros


def compared(worker: Worker, picture: Picture, address: str) -> str:
    """Write the tiles of a finished picture; return the markup of its comparison. address: of their folder."""
    folder = picture.folder / COMPARISON
    shutil.rmtree(folder, ignore_errors=True)  # of a worker that ended on the way
    arguments: dict[str, Any] = {"source": str(picture.source), "doubled": str(picture.target), "folder": str(folder)}
    try:
        *_, comparison = worker.run("compare", arguments, Comparison)
    finally:
        if not picture.target.is_file():  # deleted meanwhile, and with it the tiles that were written by then
            shutil.rmtree(folder, ignore_errors=True)
    assert isinstance(comparison, Comparison)
    return markup(comparison, address)
