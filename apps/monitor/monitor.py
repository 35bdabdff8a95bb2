"""What the monitor does, whoever asks: look for the newest picture, show a day, double each once, measure each."""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from apps.monitor import doubling
from apps.monitor.addresses import RefusedError
from apps.monitor.apod import Client, Entry
from apps.monitor.cache import Cache, Finished
from apps.monitor.errors import ApodError
from apps.monitor.fetch import NotThereError, UnavailableError
from apps.monitor.pictures import BrokenPictureError
from apps.monitor.recording import Recorder
from apps.monitor.request_coalescing import RequestCoalescing
from apps.serving.messages import Update
from apps.serving.worker import Worker
from upscaler.command import sentence_for
from upscaler.errors import DoubleResolutionError
from upscaler.model.artifact import Artifact

MINUTE, HOUR = 60.0, 3600.0
MOST_TRIED = 10  # pictures that a look downloads in vain

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class View:
    """What there is to show. finished: None where what was shown before stays. note: why it is not the day that was
    asked for, or what failed and when it is tried again; else empty. video: what that day shows instead."""

    finished: Finished | None
    note: str = ""
    video: str | None = None


News = Update | View


class Monitor:
    """Looks for pictures and doubles them, one at a time, each once. Threads may share it."""

    def __init__(
        self,
        client: Client,
        worker: Worker,
        model: Artifact,
        cache: Cache,
        recorder: Recorder,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`now`: seconds since 1970; tests replace it."""
        self._client, self._worker, self._model = client, worker, model
        self.cache, self.recorder = cache, recorder
        self._now = now
        self._requests_under_way: RequestCoalescing[News] = RequestCoalescing()
        self._cores = threading.Lock()
        self._broken: dict[dt.date, tuple[float, str]] = {}
        self._next_look = self._next_refresh = 0.0
        self._latest = View(next(iter(cache.recent(1)), None))
        self._has_looked = False

    @property
    def latest(self) -> View:
        """The finding of the last look; before the first one has ended, the latest picture in the cache.

        If somebody has removed that picture, the latest that is left, and it is time to look again.
        """
        self._forget_what_is_gone()
        return self._latest

    @property
    def has_looked(self) -> bool:
        """Return True if a look has ended, well or not, and its finding is still there."""
        self._forget_what_is_gone()
        return self._has_looked

    @property
    def is_due(self) -> bool:
        """Whether it is time to look again."""
        return self._now() >= self._next_look

    def look(self) -> Iterator[News]:
        """Ask NASA for the newest picture and double it if it is new; the last news is a View."""
        return self._requests_under_way.follow("newest", self._look)

    def refresh(self) -> Iterator[News]:
        """Look for a visitor: join a look under way or start one, at most one a minute for all visitors together.

        Those who come sooner get what the last look found, with a sentence.
        """
        if self._now() < self._next_refresh:
            latest = self.latest
            note = f"NASA was asked less than a minute ago, and this is what it had. {latest.note}".rstrip()
            return iter([replace(latest, note=note)])
        return self._requests_under_way.follow("newest", self._refresh)

    def show(self, day: dt.date) -> Iterator[News]:
        """Show a day, or the latest earlier one that has a picture; the last news is a View."""
        if finished := self.cache.find(day):
            return iter([View(finished)])
        return self._requests_under_way.follow(day, lambda: self._show(day))

    def keep_looking(self, stop: threading.Event) -> None:
        """Look whenever it is due, at least once an hour, until `stop` is set; no failure ends it.

        Before it looks, it takes over the rows that only the history's copy has: on a new disk, all of them.
        """
        while not stop.is_set():
            if self.is_due:
                try:
                    self.recorder.exchange()
                    for _ in self._requests_under_way.follow("newest", self._look):
                        pass
                except Exception:
                    log.exception("the look for a new picture failed; it is tried again in an hour")
                    self._next_look = self._now() + HOUR
            stop.wait(min(max(self._next_look - self._now(), 1.0), HOUR))

    def finish(self) -> None:
        """Wait for the work that is under way, measuring included."""
        self._requests_under_way.wait()

    def _refresh(self) -> Iterator[News]:
        try:
            yield from self._look()
        finally:
            self._next_refresh = self._now() + MINUTE

    def _look(self) -> Iterator[News]:
        self._next_look = self._now() + HOUR
        try:
            newest = self._client.newest()
            entries = chain(newest, self._client.before(newest[-1].date))
            view = yield from self._latest_of(self._today(), entries)
        except (DoubleResolutionError, OSError) as error:
            self._next_look = self._again(error)
            note = f"{_sentence(error)}. It is tried again at {_clock(self._next_look)}."
            view = View(self._latest.finished, note, self._latest.video)
        self._latest, self._has_looked = view, True
        self._start_measuring(view)
        yield view

    def _show(self, day: dt.date) -> Iterator[News]:
        try:
            view = yield from self._latest_of(day, self._from(day))
        except (DoubleResolutionError, OSError) as error:
            view = View(None, f"{_sentence(error)}. Ask for the day again after {_clock(self._again(error))}.")
        self._start_measuring(view)
        yield view

    def _from(self, day: dt.date) -> Iterator[Entry]:
        with suppress(NotThereError):
            yield self._client.day(day)
        yield from self._client.before(day)

    def _latest_of(self, wanted: dt.date, entries: Iterable[Entry]) -> Generator[News, None, View]:
        """The first of `entries`, newest first, that has a picture, doubled."""
        reasons: list[str] = []
        video, tried = None, 0
        for entry in entries:
            if entry.date > wanted:
                continue
            if entry.date < wanted and not reasons:
                reasons.append(self._absence(wanted))
            lack = entry.lack or self._known_to_be_broken(entry)
            if not lack:
                tried += 1
                try:
                    finished = yield from self._double(entry)
                    return View(finished, _note(reasons, entry.date), video)
                except (BrokenPictureError, NotThereError, RefusedError) as error:
                    lack = self._remember_broken(entry, error)
            reasons.append(f"the entry of {_spoken(entry.date)} {lack}")
            video = video or entry.video
            if tried == MOST_TRIED:
                raise ApodError(f"The pictures of {MOST_TRIED} days in a row are broken or cannot be had")
        raise ApodError("NASA has had no picture for a year")

    def _double(self, entry: Entry) -> Generator[News, None, Finished]:
        with self._cores:
            if finished := self.cache.find(entry.date):
                return finished
            with self.cache.adding(entry.date) as folder:
                yield from doubling.double_day(self._client, self._worker, self._model, entry, folder)
            finished = self.cache.find(entry.date)
        if finished is None:
            raise BrokenPictureError("has a picture that does not fit into the cache; set CACHE_GB higher")
        return finished

    def _forget_what_is_gone(self) -> None:
        finished = self._latest.finished
        if finished and not self.cache.find(finished.entry.date):
            self._latest = View(next(iter(self.cache.recent(1)), None))
            self._has_looked, self._next_look, self._next_refresh = False, 0.0, 0.0

    def _start_measuring(self, view: View) -> None:
        """Measure what is shown, beside the look: nobody needs to wait for that."""
        if finished := view.finished:
            self._requests_under_way.start(("measure", finished.entry.date), lambda: self._measure(finished))

    def _measure(self, finished: Finished) -> Iterator[News]:
        try:
            with self._cores:
                self.recorder.record(finished)
        except Exception as error:
            unforeseen = not isinstance(error, (DoubleResolutionError, OSError))
            log.warning("%s is not measured: %s", finished.entry.date, error, exc_info=unforeseen)
        self.recorder.exchange()
        yield from ()

    def _known_to_be_broken(self, entry: Entry) -> str:
        until, lack = self._broken.get(entry.date, (0.0, ""))
        return lack if self._now() < until else ""

    def _remember_broken(self, entry: Entry, error: ApodError) -> str:
        """NASA may mend a broken picture, so it is tried again, but not by each visitor."""
        until = self._now() + HOUR
        lack = str(error) if isinstance(error, BrokenPictureError) else f"has a picture that cannot be had: {error}"
        self._broken[entry.date] = (until, f"{lack} (it is tried again at {_clock(until)})")
        return self._broken[entry.date][1]

    def _absence(self, day: dt.date) -> str:
        if day >= self._today():
            return f"NASA has not published the picture of {_spoken(day)} yet"
        return f"NASA has no entry for {_spoken(day)}"

    def _again(self, error: Exception) -> float:
        """When it makes sense to try again what failed."""
        return error.retry_at if isinstance(error, UnavailableError) else self._now() + HOUR

    def _today(self) -> dt.date:
        return dt.datetime.fromtimestamp(self._now(), dt.UTC).date()


def _note(reasons: list[str], found: dt.date) -> str:
    if not reasons:
        return ""
    return f"{_capital('; '.join(reasons[:2]))}. So this is the picture of {_spoken(found)}."


def _spoken(day: dt.date) -> str:
    return f"{day.day} {day:%B %Y}"


def _clock(moment: float) -> str:
    return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%H:%M} UTC"


def _sentence(error: Exception) -> str:
    return _capital(sentence_for(error) if isinstance(error, OSError) else str(error))


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
