"""Page, API endpoint and server of the monitor."""

import datetime as dt
import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.types import ASGIApp

from apps.monitor import cleaning, page
from apps.monitor.allowance import Allowance
from apps.monitor.apod import FIRST_DAY, Client
from apps.monitor.cache import Cache, Finished
from apps.monitor.doubling import worker_of
from apps.monitor.history import History, to_csv
from apps.monitor.monitor import Monitor, News, View
from apps.monitor.recording import HistoryCopy, Recorder
from apps.monitor.settings import Settings
from apps.serving.look import bar, note
from apps.serving.messages import Update
from apps.serving.serve import guarded
from apps.serving.temporary import is_inside
from upscaler.atomic import write_text
from upscaler.errors import DoubleResolutionError
from upscaler.model import find

HERE = Path(__file__).parent
STRIP = 12  # thumbnails of recent days
POLL_INTERVAL = 60.0  # seconds
PICTURE = 4  # outputs that show a day's picture: slider, download, about, loupe
NEW_DAYS_AN_HOUR = 10, 60  # uncached days requested per visitor, and by all visitors
OVERVIEW = 4  # outputs that show the days so far: strip, plot, table, and their version

AT_ONCE: dict[str, Any] = {"concurrency_limit": 20}  # threads that may wait for NASA or the worker

ASKING = "Asking NASA..."
DESCRIPTION = "NASA's Astronomy Picture of the Day with twice the width and height, upscaled on a small server."

ABOUT_THE_PLOT = """## How well the model does, day by day
Each picture is its own truth: its middle, of at most 12 megapixels, is halved and doubled again, by the model and by
bicubic interpolation, and both are compared with it. The dashed line is the gain on the model's own test set.
"""


class App:
    """The page, and the monitor behind it."""

    def __init__(self, settings: Settings, temporary: Path, copy: HistoryCopy | None = None) -> None:
        """Find the model, open cache and history, and start the worker.

        `temporary`: folder of temporary files. `copy`: the history's copy on the Hub, if any.

        Raises ModelError, HistoryError or WorkerError.
        """
        self.settings, self.temporary = settings, temporary
        self.started = time.monotonic()
        self.model = find.model_or_fast(settings.model)
        self.history = History(settings.history)
        cache = Cache(settings.cache, settings.cache_bytes, self.model.revision)
        self.worker = worker_of(self.model, settings.serving.job_limits)
        self.worker.start()
        recorder = Recorder(self.worker, self.model, self.history, copy)
        self.monitor = Monitor(Client(settings.apod_url), self.worker, self.model, cache, recorder)
        self.new_days = Allowance(*NEW_DAYS_AN_HOUR)
        self.folder = settings.cache
        self.table = self.folder / "history.csv"

    def close(self) -> None:
        """End the worker."""
        self.worker.close()

    def server(self) -> ASGIApp:
        """Return the server, with the page at /, its API, and /health, and start checking for new pictures."""
        gr.set_static_paths([self.folder])  # otherwise Gradio would copy each file shown, beyond CACHE_GB
        threading.Thread(target=self.monitor.keep_looking, args=(threading.Event(),), daemon=True).start()
        server, _ = guarded(
            self.page(),
            DESCRIPTION,
            self.settings.serving,
            self.temporary,
            self.serves,
            self.health,
            HERE,
        )
        return server

    def serves(self, path: Path) -> bool:
        """Return True if a file may be downloaded: a day's picture or the table, but not the history itself."""
        return path == self.table or any(is_inside(path, day) for day in self.monitor.cache.folders)

    def health(self) -> dict[str, str | int]:
        """Return the health report for monitoring by the host."""
        seconds = int(time.monotonic() - self.started)
        return {"status": "ok", "model": self.model.name, "revision": self.model.revision, "uptime_seconds": seconds}

    def page(self) -> Any:  # gr.Blocks, which comes without types
        """Build the page. Its only public endpoint is /today."""
        with gr.Blocks(title="Picture of the day, doubled", analytics_enabled=False) as blocks:
            gr.Markdown("# NASA's picture of the day, doubled")
            with gr.Row():
                refresh = gr.Button("Refresh", variant="primary", elem_id="refresh")
                with gr.Column(min_width=260):
                    day = gr.DateTime(include_time=False, type="string", label="Another day", elem_id="day")
                show = gr.Button("Show this day", elem_id="show")
            status = gr.HTML(elem_id="status")
            slider = gr.ImageSlider(
                label="Before (bicubic) and after", type="filepath", visible=False, elem_id="slider", max_height=720,
                buttons=["fullscreen"],
            )  # fmt: skip
            loupe = gr.HTML(elem_id="loupe")
            download = gr.DownloadButton("Download", visible=False, variant="primary", elem_id="download")
            about = gr.HTML(elem_id="about")
            gr.Markdown("**Done lately:** choose one to see it.")
            strip = gr.Gallery(
                label="Done lately",
                show_label=False,
                columns=STRIP,
                height=120,
                object_fit="cover",
                allow_preview=False,
                elem_id="strip",
            )
            gr.Markdown(ABOUT_THE_PLOT)
            plot = gr.Plot(show_label=False, elem_id="plot")
            table = gr.DownloadButton("History as CSV", elem_id="csv")
            version = gr.State("")
            outputs = [status, slider, download, about, loupe, strip, plot, table, version]
            quiet: dict[str, Any] = {"outputs": outputs, "show_progress": "hidden", "api_visibility": "private"}
            quiet |= AT_ONCE
            blocks.load(self.visit, **quiet)
            refresh.click(self.refresh, **quiet)
            show.click(self.show, [day], **quiet)
            strip.select(self.chosen, **quiet)
            gr.Timer(POLL_INTERVAL).tick(self.poll, [version], **quiet)
            result = gr.JSON(visible=False)
            gr.Button(visible=False).click(self.today, None, result, api_name="today", **AT_ONCE)
        return blocks

    def visit(self) -> Iterator[list[Any]]:
        """Show a new visitor the result of the last check, and wait for the first check if none has ended."""
        if self.monitor.has_looked or self.monitor.latest.finished:
            yield self.shown(self.monitor.latest)
        if not self.monitor.has_looked:
            yield from self._follow(self.monitor.refresh())

    def refresh(self) -> Iterator[list[Any]]:
        """Check for a new picture, and report if there is none."""
        before = self.monitor.latest.finished
        yield self.unchanged(ASKING)
        for item in self._with_errors_as_views(self.monitor.refresh()):
            yield self.shown(item, unchanged_note(item, before)) if isinstance(item, View) else busy(item)

    def show(self, day: str | None, request: gr.Request) -> Iterator[list[Any]]:
        """Show the picked day; days that are not cached count against the visitor's rate limit."""
        try:
            picked = dt.date.fromisoformat((day or "")[:10])
        except ValueError:
            yield self.unchanged("Pick a day first: write it as YYYY-MM-DD.")
            return
        if not FIRST_DAY <= picked <= dt.datetime.now(dt.UTC).date():
            yield self.unchanged(f"Pick a day from {FIRST_DAY} to today; NASA has no other pictures.")
            return
        visitor = request.client.host if request.client else ""
        if not self.monitor.cache.find(picked) and (again := self.new_days.take(visitor, time.time())):
            minutes = math.ceil((again - time.time()) / 60)
            yield self.unchanged(f"Many days were asked for lately; ask for another one in {minutes} minutes.")
            return
        yield from self._follow(self.monitor.show(picked))

    def chosen(self, event: gr.SelectData) -> list[Any]:
        """Show the chosen day of the strip."""
        recent = self.monitor.cache.recent(STRIP)
        is_there = isinstance(event.index, int) and 0 <= event.index < len(recent)
        return self.shown(View(recent[event.index])) if is_there else self.unchanged("")

    def poll(self, version: str) -> list[Any]:
        """Update an open page if the overview has changed since `version`, as returned by `_version`."""
        current = self._version()
        if current == version:
            return skipped(1 + PICTURE + OVERVIEW)
        newer = version and current[:10] > version[:10]
        sentence = note("A newer picture is here: press Refresh to see it.") if newer else gr.skip()
        return [sentence, *skipped(PICTURE), *self._overview()]

    def today(self) -> dict[str, str]:
        """Return today's upscaled picture: date, title, note (reason for an earlier day, or empty) and file address."""
        view = self.monitor.latest
        if view.finished is None or not self.monitor.has_looked:
            *_, last = self.monitor.refresh()
            view = last if isinstance(last, View) else view
        if view.finished is None:
            raise gr.Error(view.note or "There is no picture yet; ask again in a minute.", print_exception=False)
        entry = view.finished.entry
        file = f"/gradio_api/file={view.finished.doubled_path}"
        return {"date": str(entry.date), "title": cleaning.text(entry.title), "note": view.note, "file": file}

    def _with_errors_as_views(self, news: Iterator[News]) -> Iterator[News]:
        """Yield the news; turn an error with a message for the user into a View."""
        try:
            yield from news
        except (DoubleResolutionError, OSError) as error:
            yield View(None, f"{error}.")

    def _follow(self, news: Iterator[News]) -> Iterator[list[Any]]:
        yield self.unchanged(ASKING)
        for item in self._with_errors_as_views(news):
            yield self.shown(item) if isinstance(item, View) else busy(item)

    def unchanged(self, sentence: str) -> list[Any]:
        """Return a status sentence and leave all other outputs unchanged."""
        return [note(sentence), *skipped(PICTURE + OVERVIEW)]

    def shown(self, view: View, sentence: str = "") -> list[Any]:
        """Return values of all outputs."""
        status = page.notes(sentence, view.note, page.link(view.video, "Watch the video"))
        if view.finished is None:
            return [status, *skipped(PICTURE), *self._overview()]
        finished = view.finished
        pair = (str(finished.folder / "before.webp"), str(finished.folder / "after.webp"))
        return [
            status,
            gr.update(value=pair, visible=True),
            gr.update(value=str(finished.doubled_path), label=page.download_label(finished), visible=True),
            page.about(finished),
            page.loupe(finished),
            *self._overview(),
        ]

    def _overview(self) -> list[Any]:
        """Return values of strip, plot, table and version."""
        rows = self.history.rows(self.model.revision)
        self.folder.mkdir(parents=True, exist_ok=True)  # it may have been removed
        write_text(self.table, to_csv(self.history.rows()))
        plot = page.plot(rows, page.test_gain(self.model.metrics))
        return [[_thumbnail(f) for f in self.monitor.cache.recent(STRIP)], plot, str(self.table), self._version()]

    def _version(self) -> str:
        """Return the version of the overview: the newest day, and the number of measured days."""
        newest = self.monitor.latest.finished
        measured = len(self.history.done(self.model.revision))
        return f"{newest.entry.date if newest else dt.date.min} {measured}"


def skipped(count: int) -> list[Any]:
    """Return `count` values that leave outputs unchanged."""
    return [gr.skip()] * count


def unchanged_note(view: View, before: Finished | None) -> str:
    """Return a note if a check found the same picture as before, else ""."""
    same = view.finished is not None and before is not None and view.finished.entry.date == before.entry.date
    return "Nothing is new: this is NASA's newest picture." if same and not view.note else ""


def _thumbnail(finished: Finished) -> tuple[str, str]:
    return str(finished.folder / "thumbnail.webp"), str(finished.entry.date)


def busy(update: Update) -> list[Any]:
    """Return a progress bar and leave all other outputs unchanged."""
    sentence = f"Doubling it: {update.share:.0%}, {update.progress.seconds_left:.0f} s left"
    return [bar(sentence, update.share), *skipped(PICTURE + OVERVIEW)]
