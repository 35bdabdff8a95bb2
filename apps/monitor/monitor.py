"""Core of the monitor: checks for new pictures, upscales and measures each day once, and answers visitors."""

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from apps.monitor import doubling
from apps.monitor.addresses import RefusedError
from apps.monitor.apod import Client, Entry
from apps.monitor.cache import Cache, Finished
from apps.monitor.days import long_date, nasa_day
from apps.monitor.errors import ApodError
from apps.monitor.fetch import NotThereError, UnavailableError
from apps.monitor.pictures import BrokenPictureError
from apps.monitor.recording import Recorder
from apps.monitor.request_coalescing import Following, RequestCoalescing
from apps.serving.messages import Update
from apps.serving.refusal import fault
from apps.serving.worker import Worker
from upscaler.command import sentence_for
from upscaler.errors import DoubleResolutionError
from upscaler.model.artifact import Artifact

MINUTE, HOUR = 60.0, 3600.0
BROKEN_FOR = 50 * MINUTE  # so that each hourly look tries again
SHOWN_FOR = 50 * MINUTE  # in which a day without a picture is answered as it was before
MOST_TRIED = 10  # unusable pictures downloaded per check

log = logging.getLogger(__name__)


class NoPictureError(ApodError):
    """Error for a day with no picture near it."""


@dataclass(frozen=True)
class View:
    """Result to show on the page.

    finished: the day's picture; None to keep the previous one. note: reason for showing another day, or the failure and
    the time of the next attempt; else empty. video: address of the video that the requested day has instead.
    """

    finished: Finished | None
    note: str = ""
    video: str | None = None


News = Update | View


class Monitor:
    """Monitor that checks for pictures and upscales each once, one at a time; thread-safe."""

    def __init__(
        self,
        client: Client,
        worker: Worker,
        model: Artifact,
        cache: Cache,
        recorder: Recorder,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Set up the monitor. `now`: clock in seconds since 1970, replaced in tests."""
        self._client, self._worker, self._model = client, worker, model
        self.cache, self.recorder = cache, recorder
        self._now = now
        self._running: RequestCoalescing[News] = RequestCoalescing()
        self._cores = threading.Lock()
        self._broken: dict[dt.date, tuple[float, str]] = {}
        self._views: dict[Hashable, tuple[float, View]] = {}  # of days without a picture, until a time
        self._next_look = self._next_refresh = 0.0
        self._latest = View(next(iter(cache.recent(1)), None))
        self._has_looked = False

    @property
    def latest(self) -> View:
        """Result of the last check; before the first one has ended, the latest picture in the cache.

        If that picture was removed from the cache, the latest remaining one, and the next check is due.
        """
        self._reset_if_removed()
        return self._latest

    @property
    def has_looked(self) -> bool:
        """True if a check has ended, with or without an error, and its picture is still in the cache."""
        self._reset_if_removed()
        return self._has_looked

    @property
    def is_due(self) -> bool:
        """True if the next check is due."""
        return self._now() >= self._next_look

    def look(self) -> Following[News]:
        """Ask NASA for the newest picture and upscale it if it is new; the last item is a View."""
        return self._running.follow("newest", self._look)

    def running_check(self) -> Following[News] | None:
        """Follow the running check, whoever started it; None if there is none."""
        return self._running.join("newest")

    def refresh(self) -> Following[News]:
        """Check on behalf of a visitor: join a running check or start one, at most once per minute for all visitors.

        The check does not wait for the end of a back-off. Earlier requests get the result of the last check, with a
        note.
        """
        if self._now() < self._next_refresh:
            latest = self.latest
            note = f"NASA was asked less than a minute ago, and this is what it had. {latest.note}".rstrip()
            return Following([replace(latest, note=note)])
        return self._running.follow("newest", self._refresh)

    def known(self, day: dt.date) -> View | None:
        """Return what `show` shows if NASA need not be asked."""
        return self._known(day, day)

    def known_after(self, day: dt.date) -> View | None:
        """Return what `show_after` shows if NASA need not be asked."""
        return self._known(("after", day), day + dt.timedelta(1))

    def show(self, day: dt.date) -> Following[News]:
        """Show a day, or the latest earlier one with a picture; the last item is a View."""
        if known := self.known(day):
            return Following([known])
        return self._running.follow(day, lambda: self._show(day, day, self._from(day)))

    def show_after(self, day: dt.date) -> Following[News]:
        """Show the first day with a picture within a year after `day`; the last item is a View."""
        if known := self.known_after(day):
            return Following([known])
        key, following, later = ("after", day), day + dt.timedelta(1), self._client.after(day, self._today())
        return self._running.follow(key, lambda: self._show(key, following, later))

    def keep_looking(self, stop: threading.Event) -> None:
        """Check whenever due, at least once an hour, until `stop` is set; failures are logged and retried.

        Before each check, rows missing here are restored from the history's copy on the Hub: on a new disk, all rows.
        """
        while not stop.is_set():
            if self.is_due:
                try:
                    self.recorder.exchange()
                    for _ in self._running.follow("newest", self._look):
                        pass
                except Exception:
                    log.exception("the check for a new picture failed; retrying in an hour")
                    self._next_look = self._now() + HOUR
            stop.wait(min(max(self._next_look - self._now(), 1.0), HOUR))

    def finish(self) -> None:
        """Wait for running tasks, including measurements."""
        self._running.wait()

    def _refresh(self) -> Iterator[News]:
        self._client.insist()
        try:
            yield from self._look()
        finally:
            self._next_refresh = self._now() + MINUTE

    def _look(self) -> Iterator[News]:
        self._next_look = self._now() + HOUR
        try:
            newest, today = self._client.newest(), self._today()
            entries = chain(newest, self._client.before(newest[-1].date))
            view = yield from self._first_of(today, (entry for entry in entries if entry.date <= today))
        except (DoubleResolutionError, OSError) as error:
            self._next_look = self._retry_time(error)
            note = f"{_sentence(error)}. It is tried again at {_clock(self._next_look)}."
            view = View(self._latest.finished, note, self._latest.video)
        self._latest, self._has_looked = view, True
        self._start_measuring(view)
        yield view

    def _known(self, key: Hashable, day: dt.date) -> View | None:
        """Return the day's picture, or what was shown for `key` lately unless its picture has left the cache."""
        if finished := self.cache.find(day):
            return View(finished)
        until, view = self._views.get(key, (0.0, View(None)))
        is_there = view.finished is None or self.cache.find(view.finished.entry.date)
        return view if is_there and self._now() < until else None

    def _show(self, key: Hashable, day: dt.date, entries: Iterable[Entry]) -> Iterator[News]:
        try:
            view, is_final = (yield from self._first_of(day, entries)), True
        except (DoubleResolutionError, OSError) as error:
            view = View(None, f"{_sentence(error)}. Ask for the day again after {_clock(self._retry_time(error))}.")
            is_final = isinstance(error, NoPictureError)
        if is_final and day < self._today():  # today's may be published at any time
            self._remember_view(key, view)
        self._start_measuring(view)
        yield view

    def _from(self, day: dt.date) -> Iterator[Entry]:
        with suppress(NotThereError):
            yield self._client.day(day)
        yield from self._client.before(day)

    def _first_of(self, wanted: dt.date, entries: Iterable[Entry]) -> Generator[News, None, View]:
        """Upscale the first of `entries`, from `wanted` on or back, that has a picture."""
        reasons: list[str] = []
        video, tried = None, 0
        for entry in entries:
            if entry.date != wanted and not reasons:
                reasons.append(self._absence(wanted))
            lack = entry.lack or self._known_to_be_broken(entry)
            if not lack:
                tried += 1
                try:
                    finished = yield from self._double(entry)
                    return View(finished, _note(reasons, entry.date), video)
                except (BrokenPictureError, NotThereError, RefusedError) as error:
                    lack = self._remember_broken(entry, error)
            reasons.append(f"the entry of {long_date(entry.date)} {lack}")
            video = video or entry.video
            if tried == MOST_TRIED:
                raise ApodError(f"The pictures of {MOST_TRIED} days in a row are broken or cannot be fetched")
        searched = ["no picture was found within a year"] if wanted < self._today() else []
        raise NoPictureError("; ".join((reasons[:2] or [self._absence(wanted)]) + searched))

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

    def _reset_if_removed(self) -> None:
        finished = self._latest.finished
        if finished and not self.cache.find(finished.entry.date):
            self._latest = View(next(iter(self.cache.recent(1)), None))
            self._has_looked, self._next_look, self._next_refresh = False, 0.0, 0.0

    def _start_measuring(self, view: View) -> None:
        """Measure the shown picture in the background."""
        if finished := view.finished:
            self._running.start(("measure", finished.entry.date), lambda: self._measure(finished))

    def _measure(self, finished: Finished) -> Iterator[News]:
        try:
            with self._cores:
                self.recorder.record(finished)
        except Exception as error:
            is_unexpected = not isinstance(error, (DoubleResolutionError, OSError))
            log.warning("%s is not measured: %s", finished.entry.date, error, exc_info=is_unexpected)
        self.recorder.exchange()
        yield from ()

    def _known_to_be_broken(self, entry: Entry) -> str:
        until, lack = self._broken.get(entry.date, (0.0, ""))
        return lack if self._now() < until else ""

    def _remember_broken(self, entry: Entry, error: ApodError) -> str:
        """Remember a broken picture for a while; NASA may repair it, but not every request should try again."""
        until = self._now() + BROKEN_FOR
        lack = str(error) if isinstance(error, BrokenPictureError) else f"has a picture that cannot be fetched: {error}"
        self._broken[entry.date] = (until, lack)
        return lack

    def _remember_view(self, key: Hashable, view: View) -> None:
        now = self._now()
        valid = {other: (until, shown) for other, (until, shown) in self._views.items() if now < until}
        self._views = valid | {key: (now + SHOWN_FOR, view)}

    def _absence(self, day: dt.date) -> str:
        if day >= self._today():
            return f"NASA has not published the picture of {long_date(day)} yet"
        return f"NASA has no entry for {long_date(day)}"

    def _retry_time(self, error: Exception) -> float:
        """Return the time of the next attempt after an error."""
        return error.retry_at if isinstance(error, UnavailableError) else self._now() + HOUR

    def _today(self) -> dt.date:
        return nasa_day(self._now())


def _note(reasons: list[str], found: dt.date) -> str:
    if not reasons:
        return ""
    return f"{_capitalised('; '.join(reasons[:2]))}. So this is the picture of {long_date(found)}."


def _clock(moment: float) -> str:
    return f"{dt.datetime.fromtimestamp(moment, dt.UTC):%H:%M} UTC"


def _sentence(error: Exception) -> str:
    """Describe a failure to visitors, and a fault of the server to its operator."""
    if isinstance(error, OSError):
        log.warning("%s", sentence_for(error))
        return _capitalised(fault(error))
    return _capitalised(str(error))


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
