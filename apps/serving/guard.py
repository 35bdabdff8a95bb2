"""The guard in front of Gradio: what passes is of an allowed route, host, origin, size and visitor."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.serving import bodies, origins, routes, visitors
from apps.serving.admission import Admission
from apps.serving.bodies import BoundedBody, FilesOnly
from apps.serving.quota import Quota
from apps.serving.refusal import RequestRefusedError
from apps.serving.routes import Body, Route
from apps.serving.uploads import Uploads

_LONGEST_NAME = 64  # characters
_LOOKS_FOR_UPLOAD, _BETWEEN_LOOKS = 30, 0.1  # and the seconds between two
_MOST_ANSWER = 1_000_000  # bytes of the answer to an upload
_SHARING = b"access-control-"  # headers with which Gradio lets other sites in
_SECURITY = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"content-security-policy", b"frame-ancestors 'self' https://huggingface.co https://*.huggingface.co"),
)


@dataclass(frozen=True)
class Rules:
    """The rules of what the guard lets pass.

    hosts: names that the app is served by, besides IP addresses and localhost. behind_proxy: whether a proxy says
    whose a request is. most_upload: bytes of one request. folder, most_temporary, keep_seconds: everything temporary,
    its bytes, and how long it is kept. serves: whether a file may be downloaded.
    """

    hosts: frozenset[str]
    behind_proxy: bool
    most_upload: int
    folder: Path
    most_temporary: int
    keep_seconds: float
    serves: Callable[[Path], bool] = field(repr=False)


class Guard:
    """An ASGI app around another one that Gradio is mounted on."""

    def __init__(self, app: ASGIApp, rules: Rules, admission: Admission) -> None:
        self._app, self._rules, self._admission = app, rules, admission
        self._uploads = Uploads(rules.serves, rules.folder)
        self._quota = Quota(rules.folder, rules.most_temporary, rules.keep_seconds)
        self._uploading: Counter[str] = Counter()  # names under which pages ask for the progress of uploads

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
    ) -> tuple[Receive, AbstractContextManager[Any]]:
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
            return await self._upload(scope, headers, receive, answer)
        if route.body is Body.JSON:
            return await self._json(scope, receive, route, parameters)
        if route is routes.FILE and not self._serves(parameters["path"]):
            raise RequestRefusedError(404, "there is no such file, or it is deleted by now")
        if route is routes.UPLOAD_PROGRESS:
            await self._check_upload_begun(_short(QueryParams(scope["query_string"]).get("upload_id")))
        return BoundedBody(receive, 0), self._listening(scope, route, parameters)

    def _normalise(self, scope: Scope, headers: Headers, route: Route) -> None:
        """Let the app see the visitor's address, and nothing that anybody could claim."""
        peer = (scope["client"] or ("", 0))[0]
        forwarded = headers.getlist("x-forwarded-for") if self._rules.behind_proxy else []
        scope["client"] = (visitors.address_of(peer, forwarded), 0)
        if not self._rules.behind_proxy:
            claimed = {name.encode() for name in visitors.FORWARDED}
            scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in claimed]
        if route in routes.PAGES:
            scope["query_string"] = b""  # a deep link would be read from a file

    def _serves(self, path: str) -> bool:
        return "\0" not in path and self._rules.serves(Path(path))

    async def _upload(
        self, scope: Scope, headers: Headers, receive: Receive, answer: "_Answer"
    ) -> tuple[Receive, AbstractContextManager[Any]]:
        announced = headers.get("content-length", "0")
        coming = int(announced) if announced.isdecimal() and len(announced) < 20 else 0
        if coming > self._rules.most_upload:
            most = self._rules.most_upload / 1e6
            raise RequestRefusedError(413, f"the upload is larger than {most:.0f} MB; send less")
        used = await asyncio.to_thread(self._quota.used)
        with ExitStack() as stack:
            bounded = BoundedBody(receive, self._rules.most_upload)
            counted = self._quota.counted(bounded, scope["client"][0], used, coming)
            room = stack.enter_context(counted)
            stack.enter_context(self._named(_short(QueryParams(scope["query_string"]).get("upload_id"))))
            files = FilesOnly(room, headers.get("content-type", ""))
            answer.watch(self._take_note)
            return files, stack.pop_all()

    @contextmanager
    def _named(self, upload: str) -> Iterator[None]:
        """Let the progress of an upload be asked for while the block runs."""
        self._uploading[upload] += 1
        try:
            yield
        finally:
            self._uploading[upload] -= 1
            if not self._uploading[upload]:
                del self._uploading[upload]

    async def _check_upload_begun(self, upload: str) -> None:
        """Refuse the name of an upload that does not begin soon: Gradio keeps each for good."""
        for _ in range(_LOOKS_FOR_UPLOAD):
            if upload and self._uploading[upload]:
                return
            await asyncio.sleep(_BETWEEN_LOOKS)
        raise RequestRefusedError(404, "there is no such upload")

    def _take_note(self, answer: bytes) -> None:
        self._uploads.add([str(path) for path in json.loads(answer)])

    async def _json(
        self, scope: Scope, receive: Receive, route: Route, parameters: dict[str, str]
    ) -> tuple[Receive, AbstractContextManager[Any]]:
        body = await bodies.read_json(receive)
        session = _short(body.get("session_hash"))
        address = scope["client"][0]
        self._uploads.check(body, session or f"address {address}")
        passing: AbstractContextManager[None] = nullcontext()
        if route in routes.JOBS:
            if route is not routes.JOIN:
                body.pop("fn_index", None)  # for Gradio it would take precedence over the name
            passing = self._admission.admitted(address, session, parameters.get("name") or body.get("fn_index"))
        again, length = bodies.replayed(body, receive)
        rest = [
            (name, value) for name, value in scope["headers"] if name not in (b"content-length", b"transfer-encoding")
        ]
        scope["headers"] = [*rest, (b"content-length", str(length).encode())]
        return again, passing

    def _listening(self, scope: Scope, route: Route, parameters: dict[str, str]) -> AbstractContextManager[None]:
        query = QueryParams(scope["query_string"])
        session = _short(parameters.get("session_hash") or query.get("session_hash"))
        if route is routes.MESSAGES and session:
            return self._admission.listening(session)
        if route is routes.CALL_MESSAGES:
            return self._admission.listening(self._admission.session_of(parameters["event_id"]))
        return nullcontext()


def _short(name: Any) -> str:
    """Return the name of a session or an upload, or nothing. Raises RequestRefusedError if it is none of Gradio's."""
    if name is None:
        return ""
    if not (isinstance(name, str) and len(name) <= _LONGEST_NAME):
        raise RequestRefusedError(400, "the session's name is none; load the page again")
    return name


class _Answer:
    """The app's answer, until the request is refused in the middle; its body is handed to a watcher, if any."""

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
            own = [header for header in message.get("headers", ()) if not header[0].lower().startswith(_SHARING)]
            message["headers"] = [*own, *_SECURITY]
        elif self._watcher and self._is_success:
            self._watch(message, self._watcher)
        await self.raw_send(message)

    def _watch(self, message: Message, watcher: Callable[[bytes], None]) -> None:
        self._body += message.get("body", b"")
        if not message.get("more_body", False) and len(self._body) <= _MOST_ANSWER:
            watcher(bytes(self._body))
