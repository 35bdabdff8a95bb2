"""Answers to the page's visitors: values of its outputs for each of their wishes."""

import datetime as dt
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from starlette.concurrency import run_in_threadpool

from apps.monitor import page, plot
from apps.monitor.allowance import Allowance
from apps.monitor.apod import FIRST_DAY
from apps.monitor.days import long_date, nasa_day
from apps.monitor.history import to_csv
from apps.monitor.monitor import Monitor, News, View
from apps.serving.gradio_api import gr
from apps.serving.progress import BETWEEN_WORDS, RemainingTime
from upscaler.atomic import write_text
from upscaler.command import sentence_for
from upscaler.errors import DoubleResolutionError

STRIP = 30  # recent days
NEW_DAYS_AN_HOUR = 10, 60  # days that NASA is asked for, per visitor and by all visitors
PICTURE = 3  # outputs that show a day's picture: heading, viewer, about
OVERVIEW = 2  # outputs that show the days so far: strip, plot
AFTER = "after-"  # before a day in the page's address: the first later day with a picture

Outputs = list[Any]  # status, PICTURE, OVERVIEW
Status = str  # markup of the status line

log = logging.getLogger(__name__)


@dataclass
class Visit:
    """State of one open page.

    wishes: number of the visitor's wishes so far; the last one ends those before it. shown: day of the picture. latest,
    measured: the monitor's newest picture and number of measured days, as the page has them.
    """

    wishes: int = 0
    shown: dt.date | None = None
    latest: View | None = None
    measured: int = 0


class Visits:
    """Answers to visitors."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.new_days = Allowance(*NEW_DAYS_AN_HOUR)
        self.table = monitor.cache.folder / "history.csv"

    async def show(self, visit: Visit, event: gr.EventData, request: gr.Request) -> AsyncIterator[Outputs]:
        """Show the day in the page's address, or the newest picture if there is none."""
        asked = _asked(event)
        _recall(visit, event)
        visitor = request.client.host if request.client else ""
        async for outputs in self._answers(visit, self._day(asked, visitor) if asked else self._newest()):
            yield outputs

    async def refresh(self, visit: Visit) -> AsyncIterator[Outputs]:
        """Check for a new picture, and report if there is none."""
        async for outputs in self._answers(visit, self._refreshed()):
            yield outputs

    def poll(self, visit: Visit, event: gr.EventData) -> Outputs:
        """Update an open page if anything has changed; the picture, too, if the page follows the newest one."""
        _recall(visit, event)
        before, latest, measured = visit.latest, self._monitor.latest, self._measured()
        if (before, visit.measured) == (latest, measured):
            return _unchanged()
        if not _asked(event) and before != latest:
            return self._shown(visit, latest)
        is_newer = before and before.finished != latest.finished
        status = page.sentence("A newer picture is out.") + page.NEWEST if is_newer else gr.skip()
        return [status, *_unchanged()[1 : 1 + PICTURE], *self._overview(visit)]

    async def _newest(self) -> AsyncIterator[News | Status]:
        """Yield the result of the last check, and wait for a running one, or for the first."""
        if self._monitor.has_looked or self._monitor.latest.finished:
            yield self._monitor.latest
        check = self._monitor.running_check() if self._monitor.has_looked else self._monitor.refresh()
        if check:
            yield page.ASKING
            async for item in check:
                yield item

    async def _refreshed(self) -> AsyncIterator[News | Status]:
        before = self._monitor.latest.finished
        yield page.ASKING
        async for item in self._monitor.refresh():
            if isinstance(item, View) and not item.note and item.finished == before:
                item = replace(item, note="Nothing is new: this is NASA's newest picture.")
            yield item

    async def _day(self, asked: str, visitor: str) -> AsyncIterator[News | Status]:
        """Yield a day's picture; days for which NASA must be asked count against the visitor's rate limit."""
        is_later = asked.startswith(AFTER)
        try:
            day = dt.date.fromisoformat(asked.removeprefix(AFTER))
        except ValueError:
            yield page.sentence("The address names no day; write one as #2026-11-27.")
            return
        today = nasa_day()
        if not FIRST_DAY <= day <= today:
            yield page.sentence(f"NASA has pictures from {long_date(FIRST_DAY)} to today; choose one of these days.")
            return
        if not (self._monitor.known_after(day) if is_later else self._monitor.known(day)):
            if again := self.new_days.take(visitor, time.time()):
                minutes = math.ceil((again - time.time()) / 60)
                yield page.sentence(f"Many days were asked for lately; ask for another one in {minutes} minutes.")
                return
            yield page.ASKING
        async for item in self._monitor.show_after(day) if is_later else self._monitor.show(day):
            yield item

    async def _answers(self, visit: Visit, news: AsyncIterator[News | Status]) -> AsyncIterator[Outputs]:
        """Convert news to outputs, progress at most once a second, until they end or the visitor has another wish."""
        visit.wishes += 1
        wish, remaining, told_at = visit.wishes, RemainingTime(), -math.inf
        async for item in _with_errors_as_views(news):
            if visit.wishes != wish:
                yield _unchanged()
                return
            if isinstance(item, View):
                yield await run_in_threadpool(self._shown, visit, item)
            elif isinstance(item, Status):
                yield _status(item)
            elif time.monotonic() - told_at >= BETWEEN_WORDS:
                told_at, words = time.monotonic(), remaining.words(item.share, item.seconds)
                yield _status(page.progress(_doubling(item.share, words), item.share))

    def _shown(self, visit: Visit, view: View) -> Outputs:
        """Return values of all outputs; a picture that the page has stays, with the place that is looked at."""
        status = page.sentence(view.note) + page.link(view.video, "Watch the video")
        finished = view.finished
        if finished is None or finished.entry.date == visit.shown:
            return [status, *_unchanged()[1 : 1 + PICTURE], *self._overview(visit)]
        visit.shown = finished.entry.date
        return [
            status,
            page.heading(finished),
            page.viewer(finished),
            page.result(finished) + page.about(finished),
            *self._overview(visit),
        ]

    def _overview(self, visit: Visit) -> Outputs:
        visit.latest, visit.measured = self._monitor.latest, self._measured()
        rows = self._monitor.recorder.history.rows(self._monitor.recorder.revision)
        return [
            page.strip(self._monitor.cache.recent(STRIP), visit.shown, nasa_day()),
            plot.render(rows) + (self._table_link() if rows else ""),
        ]

    def _table_link(self) -> str:
        """Write the history as a file to download; return the link to it, "" if the disk refuses the file."""
        try:
            self.table.parent.mkdir(parents=True, exist_ok=True)  # it may have been removed
            write_text(self.table, to_csv(self._monitor.recorder.history.rows()))
        except OSError as error:
            log.warning("the history cannot be written for a download: %s", sentence_for(error))
            return ""
        return page.download(self.table, "History as CSV")

    def _measured(self) -> int:
        recorder = self._monitor.recorder
        return len(recorder.history.done(recorder.revision))


def _asked(event: gr.EventData) -> str:
    """Return the day in the page's address, "" for the newest. Raises gr.Error if the page did not send the event."""
    data = event._data
    if not (isinstance(data, dict) and isinstance(data.get("day"), str)):
        raise gr.Error("The request names no day; load the page again.", print_exception=False)
    day: str = data["day"]
    return day


def _recall(visit: Visit, event: gr.EventData) -> None:
    """Set the day that the page shows, as the page has it, if the server has lost the page's state."""
    with suppress(KeyError, TypeError, ValueError):  # it shows none
        visit.shown = visit.shown or dt.date.fromisoformat(event._data["shown"])


def _doubling(share: float, left: str) -> str:
    """Return the sentence about a picture in work; after the last pixel, its files are still to be written."""
    return f"Doubling it: {left}" if left and share < 1 else "Doubling it…" if share < 1 else "Done; it is being saved…"


async def _with_errors_as_views(news: AsyncIterator[News | Status]) -> AsyncIterator[News | Status]:
    """Yield the news; turn an error with a message for the user into a View."""
    try:
        async for item in news:
            yield item
    except (DoubleResolutionError, OSError) as error:
        yield View(None, f"{error}.")


def _status(status: Status) -> Outputs:
    return [status, *_unchanged()[1:]]


def _unchanged() -> Outputs:
    return [gr.skip()] * (1 + PICTURE + OVERVIEW)
