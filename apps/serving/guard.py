"""ASGI guard in front of Gradio: checks route, host, origin, body size and the visitor's limits."""

import asyncio
import json
import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.serving import bodies, origins, routes, visitors
from apps.serving.admission import Admission
from apps.serving.bodies import BoundedBody, FilesOnly
from apps.serving.lingering import LingeringClose
from apps.serving.quota import Quota
from apps.serving.refusal import RequestRefusedError
from apps.serving.routes import Body, Route
from apps.serving.uploads import Uploads

_LONGEST_NAME = 64  # characters
_OF_NAMES = {*string.ascii_letters, *string.digits, "-", "_"}
_UPLOAD_POLLS, _POLL_INTERVAL = 30, 0.1  # seconds
_MOST_ANSWER = 1_000_000  # bytes of the response to an upload
_CORS_PREFIX = b"access-control-"  # Gradio's headers that allow other origins
_SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'self' https://huggingface.co https://*.huggingface.co"),
)


@dataclass(frozen=True)
class Rules:
    """Rules of the guard.

    hosts: allowed host names besides IP addresses and localhost. behind_proxy: trust the proxy's X-Forwarded-For.
    most_file, most_upload: maximum bytes of one file and of one upload of several. folder: folder of temporary files.
    most_temporary: maximum bytes in it. keep_seconds: lifetime of its files. serves: predicate of files that may be
    downloaded. check_names: refuses wrong names of an endpoint's parameters. own_routes: routes of the app beside
    Gradio's.
    """

    hosts: frozenset[str]
    behind_proxy: bool
    most_file: int
    most_upload: int
    folder: Path
    most_temporary: int
    keep_seconds: float
    serves: Callable[[Path], bool] = field(repr=False)
    check_names: Callable[[str, Iterable[str]], None] = field(repr=False)
    own_routes: Sequence[Route] = ()


class Guard:
    """ASGI middleware around the app that Gradio is mounted on."""

    def __init__(self, app: ASGIApp, rules: Rules, admission: Admission) -> None:
        self._app, self._rules, self._admission = app, rules, admission
        self._allowed = routes.patterns(rules.own_routes)
        self._uploads = Uploads(rules.serves, rules.folder)
        self._quota = Quota(rules.folder, rules.most_temporary, rules.keep_seconds)
        self._uploading: Counter[str] = Counter()  # ids of uploads in progress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request or refuse it with an error message."""
        if scope["type"] == "lifespan":
            cleaning = asyncio.create_task(self._admission.keep_cleaning())
            try:
                await self._app(scope, receive, send)
            finally:
                cleaning.cancel()
        elif scope["type"] == "http":
            connection = LingeringClose(receive, send)
            await self._serve(scope, connection.receive, _Response(connection.send))

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Response") -> None:
        headers = Headers(scope=scope)

        async def receive_or_refuse() -> Message:
            try:
                return await receive_checked()
            except RequestRefusedError as refusal:
                answer.refusal = refusal
                raise

        try:
            receive_checked, context = await self._checked(scope, headers, receive, answer)
            with context:
                await self._app(scope, receive_or_refuse, answer.send)
        except RequestRefusedError as refusal:
            answer.refusal = refusal
        except Exception:
            if not answer.refusal:  # otherwise the refusal caused it
                raise
        if answer.refusal and not answer.has_begun:
            await answer.refusal.response(scope, receive, answer.raw_send)

    async def _checked(
        self, scope: Scope, headers: Headers, receive: Receive, answer: "_Response"
    ) -> tuple[Receive, AbstractContextManager[Any]]:
        """Check a request; return the `receive` for the app, and a context to hold while the app handles it."""
        origins.check_host(headers, self._rules.hosts)
        found = routes.find(scope["method"], scope["path"], self._allowed)
        if found is None:
            raise RequestRefusedError(404, "nothing is served here; open the app's start page")
        route, parameters = found
        if route.changes:
            origins.check_origin(headers, self._rules.hosts)
        self._normalise(scope, headers, route)
        if route.body is Body.FILE:
            self._quota.add_file(scope["client"][0])
            return await self._limited(scope, headers, receive, self._rules.most_file)
        if route.body is Body.FILES:
            return await self._upload(scope, headers, receive, answer)
        if route.body is Body.JSON:
            return await self._json(scope, receive, route, parameters)
        if route is routes.FILE and not self._serves(parameters["path"]):
            raise RequestRefusedError(404, "the file does not exist or was deleted; upscale the picture again")
        if route is routes.UPLOAD_PROGRESS:
            await self._check_upload_begun(_short(QueryParams(scope["query_string"]).get("upload_id")))
        return BoundedBody(receive, 0), self._listening(scope, route, parameters)

    def _normalise(self, scope: Scope, headers: Headers, route: Route) -> None:
        """Set the visitor's address, and remove headers and queries that a client could forge."""
        peer = (scope["client"] or ("", 0))[0]
        forwarded = headers.getlist("x-forwarded-for") if self._rules.behind_proxy else []
        scope["client"] = (visitors.address_of(peer, forwarded), 0)
        if not self._rules.behind_proxy:
            claimed = {name.encode() for name in visitors.FORWARDED}
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in claimed]
        if route in routes.PAGES:
            scope["query_string"] = b""  # Gradio would read a deep link's state from a file

    def _serves(self, path: str) -> bool:
        return "\0" not in path and self._rules.serves(Path(path))

    async def _limited(
        self, scope: Scope, headers: Headers, receive: Receive, most: int
    ) -> tuple[Receive, AbstractContextManager[Any]]:
        """Limit a body of files to `most` bytes and to the quotas."""
        announced = headers.get("content-length", "0")
        expected = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
        if expected > most:
            raise RequestRefusedError(413, f"the upload is larger than {most / 1e6:.0f} MB; send less")
        used = await asyncio.to_thread(self._quota.used)
        with ExitStack() as stack:
            bounded = BoundedBody(receive, most)
            limited = stack.enter_context(self._quota.counted(bounded, scope["client"][0], used, expected))
            return limited, stack.pop_all()

    async def _upload(
        self, scope: Scope, headers: Headers, receive: Receive, answer: "_Response"
    ) -> tuple[Receive, AbstractContextManager[Any]]:
        limited, context = await self._limited(scope, headers, receive, self._rules.most_upload)
        with ExitStack() as stack:
            stack.enter_context(context)
            stack.enter_context(self._in_progress(_short(QueryParams(scope["query_string"]).get("upload_id"))))
            add_file = partial(self._quota.add_file, scope["client"][0])
            files = FilesOnly(limited, headers.get("content-type", ""), add_file)
            answer.watch(self._record_uploads)
            return files, stack.pop_all()

    @contextmanager
    def _in_progress(self, upload: str) -> Iterator[None]:
        """Allow requests for the progress of an upload while the block runs."""
        self._uploading[upload] += 1
        try:
            yield
        finally:
            self._uploading[upload] -= 1
            if not self._uploading[upload]:
                del self._uploading[upload]

    async def _check_upload_begun(self, upload: str) -> None:
        """Refuse the id of an upload that does not begin within 3 seconds: Gradio never frees an unknown id."""
        for _ in range(_UPLOAD_POLLS):
            if upload and self._uploading[upload]:
                return
            await asyncio.sleep(_POLL_INTERVAL)
        raise RequestRefusedError(404, "this upload does not exist; upload the file again")

    def _record_uploads(self, answer: bytes) -> None:
        self._uploads.add([str(path) for path in json.loads(answer)])

    async def _json(
        self, scope: Scope, receive: Receive, route: Route, parameters: dict[str, str]
    ) -> tuple[Receive, AbstractContextManager[Any]]:
        body = await bodies.read_json(receive)
        session = _short(body.get("session_hash"))
        address = scope["client"][0]
        self._uploads.check(body, session or f"address {address}")
        context: AbstractContextManager[None] = nullcontext()
        if route in routes.JOBS:
            if route is not routes.JOIN:
                body.pop("fn_index", None)  # Gradio would prefer it to the name
            if route is routes.CALL_BY_NAME:
                self._rules.check_names(parameters["name"], body)
            context = self._admission.admitted(address, session, parameters.get("name") or body.get("fn_index"))
        replay, length = bodies.replayed(body, receive)
        other_headers = [
            (name, value) for name, value in scope["headers"] if name not in (b"content-length", b"transfer-encoding")
        ]
        scope["headers"] = [*other_headers, (b"content-length", str(length).encode())]
        return replay, context

    def _listening(self, scope: Scope, route: Route, parameters: dict[str, str]) -> AbstractContextManager[None]:
        query = QueryParams(scope["query_string"])
        session = _short(parameters.get("session_hash") or query.get("session_hash"))
        if route is routes.MESSAGES and session:
            return self._admission.listening(session)
        if route is routes.CALL_MESSAGES:
            return self._admission.listening(self._admission.session_of(parameters["event_id"]))
        return nullcontext()


def _short(name: Any) -> str:
    """Return the id of a session or an upload, or "". Raises RequestRefusedError if it is not one of Gradio's."""
    if name is None:
        return ""
    if not (isinstance(name, str) and len(name) <= _LONGEST_NAME and set(name) <= _OF_NAMES):
        raise RequestRefusedError(400, "the session's id is invalid; load the page again")
    return name


class _Response:
    """Response of the app, dropped once the request is refused; a watcher may get its body."""

    def __init__(self, send: Send) -> None:
        self.raw_send = send
        self.refusal: RequestRefusedError | None = None
        self.has_begun = False
        self._watcher: Callable[[bytes], None] | None = None
        self._is_success, self._body = False, bytearray()

    def watch(self, watcher: Callable[[bytes], None]) -> None:
        """Call `watcher` with the body of a successful response."""
        self._watcher = watcher

    async def send(self, message: Message) -> None:
        """Send a message of the app, with security headers and without CORS headers."""
        if self.refusal:
            return
        if message["type"] == "http.response.start":
            self.has_begun, self._is_success = True, message["status"] == 200
            headers = [
                header for header in message.get("headers", ()) if not header[0].lower().startswith(_CORS_PREFIX)
            ]
            message["headers"] = [*headers, *_SECURITY_HEADERS]
        elif self._watcher and self._is_success:
            self._watch(message, self._watcher)
        await self.raw_send(message)

    def _watch(self, message: Message, watcher: Callable[[bytes], None]) -> None:
        self._body += message.get("body", b"")
        if not message.get("more_body", False) and len(self._body) <= _MOST_ANSWER:
            watcher(bytes(self._body))
