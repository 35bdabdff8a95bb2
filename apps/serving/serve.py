"""The server of both apps: Gradio's page behind the guard, on one port, until it is stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from apps.serving import logs
from apps.serving.admission import Admission
from apps.serving.bodies import MOST_FILES
from apps.serving.connections import BoundedProtocol, ProxiedProtocol
from apps.serving.guard import Guard, Rules
from apps.serving.look import look
from apps.serving.settings import ServingSettings

_SECONDS_TO_STOP = 3  # an open page keeps its connection, which would keep a stopped server waiting for ever
_BACKLOG = 128  # connections that the system accepts before the loop turns: a process may open 1,024 files
_BETWEEN_LOOKS = 0.05  # seconds between two looks of Gradio's at its queue; every millisecond takes 8 % of a core
_MOST_SESSIONS = 500  # whose state is kept, about 118 kB each
_OVERHEAD = 1_000_000  # bytes of an upload besides its files


def guarded(
    page: Any,  # gr.Blocks, which comes without types
    settings: ServingSettings,
    folder: Path,
    serves: Callable[[Path], bool],
    health: Callable[[], dict[str, str | int]],
    app: Path,
) -> tuple[ASGIApp, Admission]:
    """Mount a page at /, its interface for programs below and /health, behind the guard.

    folder: of everything temporary. serves: whether a file may be downloaded. app: the folder of the app's look.
    """
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @server.get("/health")
    async def answer() -> dict[str, str | int]:  # in the loop, because all threads may be busy
        return health()

    page.state_session_capacity = _MOST_SESSIONS
    page.queue(max_size=None, api_open=False)  # admission counts, because clicks would count, too
    page._queue.ANALYTICS_MAX_EVENTS = 1  # nothing is counted
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = _BETWEEN_LOOKS
    megabytes = settings.max_file_mb * 1024**2
    mounted = gr.mount_gradio_app(
        server, page, path="/", max_file_size=megabytes, footer_links=["api"], run_history=False, **look(app)
    )
    page.has_launched = True  # else Gradio takes any file of the server for an input
    admission = Admission(page, settings.queue_size, settings.jobs_each)
    rules = Rules(
        hosts=settings.hosts,
        behind_proxy=settings.behind_proxy,
        most_upload=MOST_FILES * megabytes + _OVERHEAD,
        folder=folder,
        most_temporary=settings.temporary_bytes,
        keep_seconds=settings.delete_after_seconds,
        serves=serves,
    )
    return Guard(mounted, rules, admission), admission


def run(app: ASGIApp, settings: ServingSettings) -> None:
    """Serve an app until it is stopped."""
    logs.set_up()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        http=ProxiedProtocol if settings.behind_proxy else BoundedProtocol,
        ws="none",
        proxy_headers=False,  # the guard reads them
        server_header=False,
        log_config=None,
        log_level=None,
        access_log=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_SECONDS_TO_STOP,
    )
