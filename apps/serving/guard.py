"""The guard in front of Gradio: what passes is of an allowed route, host, origin, size and visitor."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.serving import bodies, origins, routes, temporary, visitors
from apps.serving.admission import Admission
from apps.serving.bodies import BoundedBody, FilesOnly
from apps.serving.refusal import RequestRefusedError
from apps.serving.routes import Body, Route
from apps.serving.uploads import Uploads

_LONGEST_SESSION = 64  # characters
_MOST_ANSWER = 1_000_000  # bytes of the answer to an upload
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'self' https://huggingface.co https://*.huggingface.co"),
)


@dataclass(frozen=True)
class Rules:
    """What the guard lets pass.

    hosts: names that the app is served by, besides IP addresses and localhost. behind_proxy: whether a proxy says
    whose a request is. most_upload: bytes of one request. folder, most_temporary: everything temporary, and its bytes.
    """

    hosts: frozenset[str]
    behind_proxy: bool
    most_upload: int
    folder: Path
    most_temporary: int
    serves: Callable[[Path], bool] = field(repr=False)


class Guard:
    """An ASGI app around another one that Gradio is mounted on."""

    def __init__(self, app: ASGIApp, rules: Rules, admission: Admission) -> None:
        self._app, self._rules, self._admission = app, rules, admission
        self._uploads = Uploads(rules.serves)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it with a sentence."""
        if scope["type"] == "lifespan":
            dropping = asyncio.create_task(self._admission.keep_dropping())
            try:
                await self._app(scope, receive, send)
            finally:
                dropping.cancel()
        elif scope["type"] == "http":
            await self._serve(scope, receive, _Answer(send))

    async def _serve(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        headers = Headers(scope=scope)

        async def refusing() -> Message:
            try:
                return await receive_checked()
            except RequestRefusedError as refusal:
                answer.refusal = refusal
                raise

        try:
            receive_checked, passing = await self._checked(scope, headers, receive, answer)
            with passing:
                await self._app(scope, refusing, answer.send)
        except RequestRefusedError as refusal:
            answer.refusal = refusal
        except Exception:
            if not answer.refusal:  # else the app stumbled over that
                raise
        if answer.refusal and not answer.has_begun:
            await answer.refusal.response(scope, receive, answer.raw_send)

    async def _checked(
        self, scope: Scope, headers: Headers, receive: Receive, answer: "_Answer"
    ) -> tuple[Receive, AbstractContextManager[None]]:
        """Check a request; returns the `receive` for the app, and what holds while the app works on it."""
        origins.check_host(headers, self._rules.hosts)
        found = routes.find(scope["method"], scope["path"])
        if found is None:
            raise RequestRefusedError(404, "there is nothing here")
        route, parameters = found
        if route.changes:
            origins.check_origin(headers, self._rules.hosts)
        self._normalise(scope, headers, route)
        if route.body is Body.FILES:
            return await self._upload(headers, receive, answer), nullcontext()
        if route.body is Body.JSON:
            return await self._json(scope, receive, route, parameters)
        if route is routes.FILE and not self._serves(parameters["path"]):
            raise RequestRefusedError(404, "there is no such file, or it is deleted by now")
        return BoundedBody(receive, 0), self._listening(scope, route, parameters)

    def _normalise(self, scope: Scope, headers: Headers, route: Route) -> None:
        """Let the app see the visitor's address, and nothing that anybody could claim."""
        peer = (scope["client"] or ("", 0))[0]
        scope["client"] = (visitors.address_of(peer, headers, self._rules.behind_proxy), 0)
        if not self._rules.behind_proxy:
            claimed = {name.encode() for name in visitors.FORWARDED}
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in claimed]
        if route in routes.PAGES:
            scope["query_string"] = b""  # a deep link would be read from a file

    def _serves(self, path: str) -> bool:
        return "\0" not in path and self._rules.serves(Path(path))

    async def _upload(self, headers: Headers, receive: Receive, answer: "_Answer") -> Receive:
        used = await asyncio.to_thread(temporary.size_of, self._rules.folder)
        announced = headers.get("content-length", "0")
        coming = int(announced) if announced.isdecimal() else 0
        if coming > self._rules.most_upload:
            raise RequestRefusedError(
                413, f"the upload is larger than {self._rules.most_upload / 1e6:.0f} MB; send less"
            )
        left = self._rules.most_temporary - used
        if max(coming, 1) > left:
            raise RequestRefusedError(507, "the server's disk is taken by other people's photos; try again in an hour")
        answer.watch(self._take_note)
        bounded = BoundedBody(receive, min(self._rules.most_upload, left))
        return FilesOnly(bounded, headers.get("content-type", ""))

    def _take_note(self, answer: bytes) -> None:
        self._uploads.add([str(path) for path in json.loads(answer)])

    async def _json(
        self, scope: Scope, receive: Receive, route: Route, parameters: dict[str, str]
    ) -> tuple[Receive, AbstractContextManager[None]]:
        body = await bodies.read_json(receive)
        session = _checked_session(body.get("session_hash"))
        address = scope["client"][0]
        self._uploads.check(body, session or f"address {address}")
        passing: AbstractContextManager[None] = nullcontext()
        if route in routes.JOBS:
            is_job = self._admission.is_job(parameters.get("name") or body.get("fn_index"))
            passing = self._admission.admitted(address, is_job)
        again, length = bodies.replayed(body, receive)
        rest = [
            (name, value) for name, value in scope["headers"] if name not in (b"content-length", b"transfer-encoding")
        ]
        scope["headers"] = [*rest, (b"content-length", str(length).encode())]
        return again, passing

    def _listening(self, scope: Scope, route: Route, parameters: dict[str, str]) -> AbstractContextManager[None]:
        query = QueryParams(scope["query_string"])
        session = _checked_session(parameters.get("session_hash") or query.get("session_hash"))
        if route is routes.MESSAGES and session:
            return self._admission.listening(session)
        if route is routes.CALL_MESSAGES:
            return self._admission.listening(self._admission.session_of(parameters["event_id"]))
        return nullcontext()


def _checked_session(session: Any) -> str:
    """Return a session's name, or nothing. Raises RequestRefusedError if it is too long to be one of Gradio's."""
    if session is None:
        return ""
    if not (isinstance(session, str) and len(session) <= _LONGEST_SESSION):
        raise RequestRefusedError(400, "the session's name is none; load the page again")
    return session


class _Answer:
    """What the app sends, until the request is refused in the middle; and, if watched, the body of its answer."""

    def __init__(self, send: Send) -> None:
        self.raw_send = send
        self.refusal: RequestRefusedError | None = None
        self.has_begun = False
        self._watcher: Callable[[bytes], None] | None = None
        self._is_success, self._body = False, bytearray()

    def watch(self, watcher: Callable[[bytes], None]) -> None:
        """Have the body of a successful answer."""
        self._watcher = watcher

    async def send(self, message: Message) -> None:
        """Send a message of the app."""
        if self.refusal:
            return
        if message["type"] == "http.response.start":
            self.has_begun, self._is_success = True, message["status"] == 200
            message["headers"] = [*message.get("headers", ()), *_SECURITY]
        elif self._watcher and self._is_success:
            self._watch(message, self._watcher)
        await self.raw_send(message)

    def _watch(self, message: Message, watcher: Callable[[bytes], None]) -> None:
        self._body += message.get("body", b"")
        if not message.get("more_body", False) and len(self._body) <= _MOST_ANSWER:
            watcher(bytes(self._body))
