"""All batches of the web UI: limits per visitor and in total, and the order in which pictures are upscaled."""

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.serving.admission import check_all, check_own
from apps.serving.bodies import MOST_FILES
from apps.serving.refusal import RequestRefusedError
from apps.ui.batch import DELETED, Batch, Picture, State
from apps.ui.choices import Choices

AWAY = 15.0  # seconds without a sign of its page, after which a batch lets others go first
ABANDONED = 30 * 60.0  # seconds, after which its remaining pictures are cancelled
GREETING = "greeting"  # folder of the example, beside that of visitors' batches
_BATCHES_EACH = 500  # batches that are kept for a visitor: people behind one address are one; each takes 2 kB
_BATCHES = 5_000  # of all visitors


class Batches:
    """Registry of batches; thread-safe."""

    def __init__(self, folder: Path, most_waiting: int, jobs_each: int, keep_seconds: float, replica: str = "") -> None:
        """Set the folder and limits: batches with work left of all visitors and per visitor, and their lifetime.

        replica: with what their ids begin.
        """
        self.folder, self._replica = folder, replica
        self.is_draining = False
        self._most_waiting, self._jobs_each, self._keep_seconds = most_waiting, jobs_each, keep_seconds
        self._batches: dict[str, Batch] = {}
        self._busy: dict[str, Batch] = {}  # those that may have work left, the oldest first
        self._changed = threading.Condition()

    def greet(self, choices: Choices, sample: Path) -> Batch:
        """Create the batch that greets visitors: a sample, which is kept as long as the app runs."""
        batch = Batch.create(self.folder.with_name(GREETING), "", choices, replica=self._replica)
        batch.is_greeting = True
        self._batches[batch.id] = batch
        self.add(batch, sample)
        return batch

    def create(
        self,
        visitor: str,
        choices: Choices,
        sources: Iterable[Path] = (),
        *,
        instead_of: str = "",
        for_page: bool = True,
    ) -> Batch:
        """Create a batch of files, those of other batches linked, and queue its pictures.

        instead_of: id of a batch that is cancelled for it, if it exists and is not the greeting. Raises
        RequestRefusedError, and cancels nothing, if a file was deleted, or the visitor or all together have too many.
        """
        self.check_open()
        with self._changed:
            replaced = self._batches.get(instead_of)
            if replaced and replaced.is_greeting:
                replaced = None
            self._check_limits(visitor, replaced)
            batch = Batch.create(self.folder, visitor, choices, for_page=for_page, replica=self._replica)
            self._fill(batch, sources)
            if replaced:
                replaced.cancel()
            surplus = self._make_room(visitor)
            self._batches[batch.id] = self._busy[batch.id] = batch
            self._changed.notify_all()
        for one in surplus:
            one.delete()
        return batch

    def _check_limits(self, visitor: str, besides: Batch | None) -> None:
        """Raise RequestRefusedError if a visitor, or all together, have too many batches besides one.

        One whose first picture is arriving counts for its visitor only: slow connections must not fill the queue.
        """
        others = [batch for batch in self._at_work() if batch is not besides]
        check_own(sum(batch.visitor == visitor for batch in others), self._jobs_each)
        check_all(sum(bool(batch.pictures) for batch in others), self._most_waiting)

    def _fill(self, batch: Batch, sources: Iterable[Path]) -> None:
        try:
            for source in sources:
                batch.add(batch.link(source) if source.is_relative_to(self.folder.parent) else source)  # else a sample
        except RequestRefusedError:
            batch.delete()
            raise

    def find(self, id: str) -> Batch:
        """Return a batch by its id. Raises RequestRefusedError if it does not exist or was deleted."""
        if batch := self._batches.get(id):
            return batch
        raise RequestRefusedError(404, DELETED)

    def add(self, batch: Batch, source: Path, key: str = "") -> Picture:
        """Queue a picture and return it, or the one that the batch has by this key already.

        Raises RequestRefusedError as `admit` does.
        """
        with self._changed:
            if repeated := self.admit(batch, key):
                return repeated
            picture = batch.add(source, key)
            self._busy[batch.id] = batch
            self._changed.notify_all()
            return picture

    def admit(self, batch: Batch, key: str = "") -> Picture | None:
        """Return the picture that a batch has by this key, or None if it may get another one.

        Raises RequestRefusedError if it has too many, was cancelled or deleted, or would be one too many with work.
        """
        self.find(batch.id)
        if batch.is_cancelled:
            raise RequestRefusedError(409, "these pictures were cancelled; choose them again")
        if repeated := [picture for picture in batch.pictures if key and picture.key == key]:
            return repeated[0]
        if len(batch.pictures) >= MOST_FILES:
            raise RequestRefusedError(413, f"at most {MOST_FILES} pictures at once; give the others afterwards")
        if not (batch.pictures and batch.has_place):
            self._check_limits(batch.visitor, batch)
        return None

    @contextmanager
    def uploading(self, batch: Batch) -> Iterator[None]:
        """Keep a batch's place while the block receives a picture."""
        with self._changed:
            batch.uploads += 1
            self._busy[batch.id] = batch
        try:
            yield
        finally:
            batch.end_upload()

    def cancel(self, batch: Batch) -> None:
        """Cancel a batch; it takes no more pictures."""
        with self._changed:
            batch.cancel()

    def delete(self, batch: Batch) -> None:
        """Delete a batch with its files."""
        with self._changed:
            self._batches.pop(batch.id, None)
        batch.delete()

    def next(self, seconds: float) -> tuple[Batch, Picture] | None:
        """Wait up to `seconds` for a picture to upscale, and return it as being worked on."""
        with self._changed:
            if not (queue := list(self.queue())):
                self._changed.wait(seconds)
                queue = list(self.queue())
            return next((entry for entry in queue if entry[1].begin()), None)

    def check_open(self) -> None:
        """Raise RequestRefusedError if no new batch is taken."""
        if self.is_draining:
            raise RequestRefusedError(503, "this server is being replaced; try again in a few seconds")

    def drain(self) -> None:
        """Take no new batch from now on."""
        self.is_draining = True

    def is_done(self) -> bool:
        """Return True if no work is left, no page is there, and all results were fetched or deleted.

        Programs, whose results Gradio sends, had the time for it.
        """
        return not any(self._is_needed(batch) for batch in list(self._batches.values()) if not batch.is_greeting)

    def _is_needed(self, batch: Batch) -> bool:
        is_here = time.monotonic() - batch.seen < AWAY
        is_unfetched = batch.for_page and not all(picture.is_fetched for picture in batch.done)
        return batch.has_place or is_here or is_unfetched

    def folders_of(self, visitor: str) -> list[Path]:
        """Return the folders of a visitor's batches."""
        return [batch.folder for batch in list(self._batches.values()) if batch.visitor == visitor]

    def _at_work(self) -> list[Batch]:
        """Return the batches that have a place: few of those that are kept, which every page asks for."""
        with self._changed:
            self._busy = {id: batch for id, batch in self._busy.items() if batch.has_place}
            return list(self._busy.values())

    def working(self) -> list[Picture]:
        """Return the pictures that are being upscaled."""
        pictures = [picture for batch in self._at_work() for picture in batch.pictures]
        return [picture for picture in pictures if picture.state is State.WORKING]

    def queue(self) -> Iterator[tuple[Batch, Picture]]:
        """Yield the waiting pictures in order.

        Batches take turns, so that one picture does not wait for fifty; those whose page is away come last.
        """
        now = time.monotonic()
        waiting = [
            (now - batch.seen > AWAY, turn, order, batch, picture)
            for order, batch in enumerate(self._at_work())
            for turn, picture in enumerate(batch.pictures)
            if picture.state is State.WAITING
        ]
        return ((batch, picture) for *_, batch, picture in sorted(waiting, key=lambda entry: entry[:3]))

    def clean(self) -> None:
        """Cancel what nobody came back for, and delete batches that have expired."""
        now = time.monotonic()
        for batch in list(self._batches.values()):
            if batch.is_greeting or batch.uploads:  # its page may show another one meanwhile
                batch.touch()
            elif now - batch.seen > self._keep_seconds:
                self.delete(batch)
            elif now - batch.seen > ABANDONED:
                batch.stop()

    def _make_room(self, visitor: str) -> list[Batch]:
        """Take out and return a batch at each limit, the visitor's own or anybody's; those with work left stay.

        Those without pictures go first, then the one whose page was there the longest time ago.
        """
        surplus = []
        for most, batches in (
            (_BATCHES_EACH, [batch for batch in self._batches.values() if batch.visitor == visitor]),
            (_BATCHES, list(self._batches.values())),
        ):
            finished = [batch for batch in batches if not (batch.has_place or batch.is_greeting)]
            if len(batches) >= most and finished:
                left = min(finished, key=lambda batch: (bool(batch.pictures), batch.seen))
                surplus.append(self._batches.pop(left.id))
        return surplus
