"""HTTP server of both apps: Gradio behind the guard."""

import gc
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from apps.serving import head, inputs, logs
from apps.serving.admission import EVENTS, Admission
from apps.serving.bodies import MOST_FILES
from apps.serving.compression import CompressedPages
from apps.serving.connections import BoundedProtocol, ProxiedProtocol
from apps.serving.draining import Draining
from apps.serving.gradio_api import gr
from apps.serving.guard import Guard, Rules
from apps.serving.look import look
from apps.serving.refusal import RequestRefusedError
from apps.serving.routes import Route
from apps.serving.settings import ServingSettings

_SHUTDOWN_TIMEOUT = 3  # seconds; an open page's connection would delay the shutdown for ever
_ACCEPTED_AT_ONCE = 128  # connections per turn of the loop; the usual limit on open files per process is 1,024
_BACKLOG = 4096  # connections that wait for the next turn; the kernel loses further ones, and their clients wait
_QUEUE_POLL_INTERVAL = 0.05  # seconds; polling every millisecond would take 8 % of a core
_MOST_SESSIONS = 500  # sessions whose state is kept, about 118 kB each
_OVERHEAD = 1_000_000  # bytes of an upload in addition to its files


def guarded(
    page: Any,  # gr.Blocks, which comes without types
    description: str,
    settings: ServingSettings,
    folder: Path,
    serves: Callable[[Path], bool],
    health: Callable[[], dict[str, str | int]],
    app: Path,
    own: Sequence[tuple[BaseRoute, Route]] = (),
) -> tuple[ASGIApp, Admission]:
    """Mount a page at /, its API and /health behind the guard.

    description: of the page, in one sentence, for search engines and messengers. folder: folder of temporary files.
    serves: predicate of files that may be downloaded. app: folder of the app, with its page/. own: routes of the app
    beside Gradio's, each with the guard's rule for it.
    """
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    server.router.routes += [route for route, _ in own]
    server.add_exception_handler(RequestRefusedError, _refused)
    server.add_route("/card.jpg", lambda _: FileResponse(head.CARD))
    shown = [block.get_block_name() for block in page.blocks.values() if block.visible]
    head.describe(page.title, description, shown)

    @server.api_route("/health", methods=["GET", "HEAD"])
    async def answer() -> dict[str, str | int]:  # async, because all threads may be busy
        return health()

    _set_up_queue(page)
    mounted = gr.mount_gradio_app(
        server,
        page,
        path="/",
        max_file_size=settings.max_file_bytes,
        footer_links=["api"],
        run_history=False,
        favicon_path=head.ICON,
        **look(app),
    )
    inputs.refuse_unfit(page)
    page.has_launched = True  # otherwise Gradio accepts any file of the server as input
    admission = Admission(page, settings.queue_size, settings.jobs_each)
    rules = Rules(
        hosts=settings.hosts,
        behind_proxy=settings.behind_proxy,
        most_file=settings.max_file_bytes,
        most_upload=MOST_FILES * settings.max_file_bytes + _OVERHEAD,
        folder=folder,
        most_temporary=settings.temporary_bytes,
        keep_seconds=settings.delete_after_seconds,
        serves=serves,
        check_names=partial(inputs.check_names, page),
        own_routes=[rule for _, rule in own],
    )
    return Guard(CompressedPages(mounted), rules, admission), admission


def _set_up_queue(page: Any) -> None:
    """Replace Gradio's limits, which are for a machine of its own, before it builds its routes."""
    page.state_session_capacity = _MOST_SESSIONS
    page.queue(max_size=None, api_open=False)  # admission limits the queue: here, clicks would count as jobs
    page._queue.ANALYTICS_MAX_EVENTS = 0  # no analytics
    page._queue.max_thread_count = EVENTS  # beyond 40 running events, waiting ones would keep out all others
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = _QUEUE_POLL_INTERVAL


def _refused(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, RequestRefusedError)
    return refusal.response


def run(
    app: ASGIApp, name: str, address: socket.socket, settings: ServingSettings, draining: Draining | None = None
) -> None:
    """Serve an app until it is stopped, and print when it is ready.

    name: of the app. address: a bound socket. draining: what SIGTERM begins; another signal stops it.
    """
    logs.set_up()
    sys.modules.setdefault("matplotlib", None)  # type: ignore[arg-type]  # or the first job would wait for its import
    config = uvicorn.Config(
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
        backlog=_ACCEPTED_AT_ONCE,
        timeout_graceful_shutdown=_SHUTDOWN_TIMEOUT,
    )
    _Server(config, name, draining).run(sockets=[address])


class _Server(uvicorn.Server):
    """A server that says when it is ready, has a longer queue of connections, and finishes its work if it should."""

    def __init__(self, config: uvicorn.Config, name: str, draining: Draining | None) -> None:
        super().__init__(config)
        self._name, self._draining = name, draining

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not (sig == signal.SIGTERM and self._draining and self._draining.start()):
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self._draining and self._draining.is_over:
            self.should_exit = True
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(_BACKLOG)  # asyncio's own is also how many it accepts at once
        await self._prepare()
        if self.started:
            print(f"{self._name} is ready on http://{self.config.host}:{self.config.port}", flush=True)

    async def _prepare(self) -> None:
        """Do what the first visitor, and later collections of garbage, would take half a second each for."""
        transport = httpx.ASGITransport(self.config.loaded_app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.get("/")  # Gradio's routes are made by the first request
        gc.collect()
        gc.freeze()
