"""The monitor's page, its endpoint for programs, and the server around them."""

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
STRIP = 12  # days done lately, as thumbnails
SECONDS_BETWEEN_LOOKS_AT_THE_CLOCK = 60.0
PICTURE = 4  # outputs that show a day's picture: slider, download, about, loupe
NEW_DAYS_AN_HOUR = 10, 60  # that one visitor may ask for, and all together
LATELY = 4  # outputs that show the days so far: strip, plot, table, and what the page has seen of them

AT_ONCE: dict[str, Any] = {"concurrency_limit": 20}  # threads that may wait for NASA or the cores

ASKING = "Asking NASA..."

ABOUT_THE_PLOT = """## How well the model does, day by day
Each picture is its own truth: its middle, of at most 12 megapixels, is halved and doubled again, by the model and by
bicubic interpolation, and both are compared with it. The dashed line is the gain on the model's own test set.
"""


class App:
    """The page, and the monitor whose findings it shows."""

    def __init__(self, settings: Settings, temporary: Path, copy: HistoryCopy | None = None) -> None:
        """Find the model, open cache and history, start the worker.

        `temporary`: the folder of everything temporary. `copy`: the history's on the Hub, if any.

        Raises ModelError, HistoryError or WorkerError if that fails.
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
        """The page at /, its interface for programs below, and /health; it looks for new pictures from now on."""
        gr.set_static_paths([self.folder])  # or Gradio would copy each file that it shows, beyond CACHE_GB
        threading.Thread(target=self.monitor.keep_looking, args=(threading.Event(),), daemon=True).start()
        server, _ = guarded(
            self.page(),
            self.settings.serving,
            self.temporary,
            self.serves,
            self.health,
            HERE,
        )
        return server

    def serves(self, path: Path) -> bool:
        """Return True for what may be downloaded: the days' pictures and the table, not the history itself."""
        return path == self.table or any(is_inside(path, day) for day in self.monitor.cache.folders)

    def health(self) -> dict[str, str | int]:
        """What a host asks to see whether the app is well."""
        seconds = int(time.monotonic() - self.started)
        return {"status": "ok", "model": self.model.name, "revision": self.model.revision, "uptime_seconds": seconds}

    def page(self) -> Any:  # gr.Blocks, which comes without types
        """The page. Nothing of it but /today is offered to programs."""
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
            seen = gr.State("")
            outputs = [status, slider, download, about, loupe, strip, plot, table, seen]
            quiet: dict[str, Any] = {"outputs": outputs, "show_progress": "hidden", "api_visibility": "private"}
            quiet |= AT_ONCE
            blocks.load(self.visit, **quiet)
            refresh.click(self.refresh, **quiet)
            show.click(self.show, [day], **quiet)
            strip.select(self.chosen, **quiet)
            gr.Timer(SECONDS_BETWEEN_LOOKS_AT_THE_CLOCK).tick(self.passing_time, [seen], **quiet)
            result = gr.JSON(visible=False)
            gr.Button(visible=False).click(self.today, None, result, api_name="today", **AT_ONCE)
        return blocks

    def visit(self) -> Iterator[list[Any]]:
        """What a visitor sees at first: what the last look found, at once; if none has ended yet, that one, too."""
        if self.monitor.has_looked or self.monitor.latest.finished:
            yield self.shown(self.monitor.latest)
        if not self.monitor.has_looked:
            yield from self._followed(self.monitor.refresh())

    def refresh(self) -> Iterator[list[Any]]:
        """Ask NASA for the newest picture, and say so if nothing is new."""
        before = self.monitor.latest.finished
        yield self.unchanged(ASKING)
        for item in self._until_found(self.monitor.refresh()):
            yield self.shown(item, unchanged_note(item, before)) if isinstance(item, View) else busy(item)

    def show(self, day: str | None, request: gr.Request) -> Iterator[list[Any]]:
        """Show a day that was picked; those that are not in the cache are counted."""
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
        yield from self._followed(self.monitor.show(picked))

    def chosen(self, event: gr.SelectData) -> list[Any]:
        """Show a day of the strip."""
        recent = self.monitor.cache.recent(STRIP)
        is_there = isinstance(event.index, int) and 0 <= event.index < len(recent)
        return self.shown(View(recent[event.index])) if is_there else self.unchanged("")

    def passing_time(self, seen: str) -> list[Any]:
        """Bring a page that stays open up to date when something was found since it was; `seen`: see `_found`."""
        found = self._found()
        if found == seen:
            return skipped(1 + PICTURE + LATELY)
        newer = seen and found[:10] > seen[:10]
        sentence = note("A newer picture is here: press Refresh to see it.") if newer else gr.skip()
        return [sentence, *skipped(PICTURE), *self._lately()]

    def today(self) -> dict[str, str]:
        """Today's picture, doubled: date, title, note (why an earlier day, or empty) and the file's address."""
        view = self.monitor.latest
        if view.finished is None or not self.monitor.has_looked:
            *_, last = self.monitor.refresh()
            view = last if isinstance(last, View) else view
        if view.finished is None:
            raise gr.Error(view.note or "There is no picture yet; ask again in a minute.", print_exception=False)
        entry = view.finished.entry
        file = f"/gradio_api/file={view.finished.doubled_path}"
        return {"date": str(entry.date), "title": cleaning.text(entry.title), "note": view.note, "file": file}

    def _until_found(self, news: Iterator[News]) -> Iterator[News]:
        """The news; a failure that is meant for the person becomes a View with its sentence."""
        try:
            yield from news
        except (DoubleResolutionError, OSError) as error:
            yield View(None, f"{error}.")

    def _followed(self, news: Iterator[News]) -> Iterator[list[Any]]:
        yield self.unchanged(ASKING)
        for item in self._until_found(news):
            yield self.shown(item) if isinstance(item, View) else busy(item)

    def unchanged(self, sentence: str) -> list[Any]:
        """A sentence, and everything else as it was."""
        return [note(sentence), *skipped(PICTURE + LATELY)]

    def shown(self, view: View, sentence: str = "") -> list[Any]:
        """Values of all outputs."""
        status = page.notes(sentence, view.note, page.link(view.video, "Watch the video"))
        if view.finished is None:
            return [status, *skipped(PICTURE), *self._lately()]
        finished = view.finished
        pair = (str(finished.folder / "before.webp"), str(finished.folder / "after.webp"))
        return [
            status,
            gr.update(value=pair, visible=True),
            gr.update(value=str(finished.doubled_path), label=page.download_label(finished), visible=True),
            page.about(finished),
            page.loupe(finished),
            *self._lately(),
        ]

    def _lately(self) -> list[Any]:
        """Values of strip, plot, table and seen."""
        rows = self.history.rows(self.model.revision)
        self.folder.mkdir(parents=True, exist_ok=True)  # somebody may have removed it
        write_text(self.table, to_csv(self.history.rows()))
        plot = page.plot(rows, page.test_gain(self.model.metrics))
        return [[_thumbnail(f) for f in self.monitor.cache.recent(STRIP)], plot, str(self.table), self._found()]

    def _found(self) -> str:
        """What has been found so far, in a word: the newest day, and how many days are measured."""
        newest = self.monitor.latest.finished
        measured = len(self.history.done(self.model.revision))
        return f"{newest.entry.date if newest else dt.date.min} {measured}"


def skipped(count: int) -> list[Any]:
    """Values of outputs that stay as they are."""
    return [gr.skip()] * count


def unchanged_note(view: View, before: Finished | None) -> str:
    """That nothing is new, if a look found what was there before."""
    same = view.finished is not None and before is not None and view.finished.entry.date == before.entry.date
    return "Nothing is new: this is NASA's newest picture." if same and not view.note else ""


def _thumbnail(finished: Finished) -> tuple[str, str]:
    return str(finished.folder / "thumbnail.webp"), str(finished.entry.date)


def busy(update: Update) -> list[Any]:
    """A bar while a picture is doubled; everything else stays as it was."""
    sentence = f"Doubling it: {update.share:.0%}, {update.progress.seconds_left:.0f} s left"
    return [bar(sentence, update.share), *skipped(PICTURE + LATELY)]
