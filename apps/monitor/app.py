"""Page, API endpoint and server of the monitor."""

import threading
import time
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp

from apps.monitor import cleaning, page
from apps.monitor.apod import Client
from apps.monitor.cache import Cache
from apps.monitor.doubling import worker_of
from apps.monitor.history import History
from apps.monitor.monitor import Monitor, View
from apps.monitor.recording import HistoryCopy, Recorder
from apps.monitor.settings import Settings
from apps.monitor.visits import Visit, Visits
from apps.serving.gradio_api import gr
from apps.serving.serve import guarded
from apps.serving.temporary import is_inside
from upscaler.model import find

HERE = Path(__file__).parent
AT_ONCE: dict[str, Any] = {"concurrency_limit": None}  # who waits holds no thread; admission limits visitors

DESCRIPTION = "NASA's Astronomy Picture of the Day with twice the width and height, upscaled on a small server."


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
        self.visits = Visits(self.monitor)
        self.folder = settings.cache

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
        return path == self.visits.table or any(is_inside(path, day) for day in self.monitor.cache.folders)

    def health(self) -> dict[str, str | int]:
        """Return the health report for monitoring by the host."""
        seconds = int(time.monotonic() - self.started)
        return {"status": "ok", "model": self.model.name, "revision": self.model.revision, "uptime_seconds": seconds}

    def page(self) -> Any:  # gr.Blocks, which comes without types
        """Build the page. Its only public endpoint is /today."""
        with gr.Blocks(title="NASA's picture of the day, doubled", analytics_enabled=False) as blocks:
            navigation = gr.HTML(page.NAVIGATION, js_on_load="startNavigation(element, trigger)", elem_id="navigation")
            heading = gr.HTML(elem_id="heading")
            status = gr.HTML(elem_id="status")
            viewer = gr.HTML(elem_id="viewer")
            about = gr.HTML(elem_id="about")
            strip = gr.HTML(elem_id="strip")
            measured = gr.HTML(elem_id="measured")
            outputs = [status, heading, viewer, about, strip, measured]
            quiet: dict[str, Any] = {"inputs": [gr.State(Visit())], "outputs": outputs, "show_progress": "hidden"}
            quiet |= {"api_visibility": "private", "trigger_mode": "multiple"} | AT_ONCE
            navigation.submit(self.visits.show, **quiet)
            navigation.click(self.visits.refresh, **quiet)
            navigation.tick(self.visits.poll, **quiet)
            result = gr.JSON(visible=False)
            gr.Button(visible=False).click(self.today, None, result, api_name="today", **AT_ONCE)
        return blocks

    async def today(self) -> dict[str, str]:
        """Return today's upscaled picture: date, title, note (reason for an earlier day, or empty) and file address."""
        view = self.monitor.latest
        if view.finished is None or not self.monitor.has_looked:
            async for item in self.monitor.refresh():
                view = item if isinstance(item, View) else view
        if view.finished is None:
            raise gr.Error(view.note or "There is no picture yet; ask again in a minute.", print_exception=False)
        entry = view.finished.entry
        file = f"/gradio_api/file={view.finished.doubled_path}"
        return {"date": str(entry.date), "title": cleaning.text(entry.title), "note": view.note, "file": file}
