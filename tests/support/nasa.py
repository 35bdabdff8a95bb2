"""A local server that answers as NASA's interface for the picture of the day does, since September 2026."""

import io
import json
import socketserver
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from support.pictures import photo_like
from support.servers import running

INTERFACE = "/wp-json/wp/v2/apod-basic"
LIST_LENGTH = 25


def _set() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def picture(height: int = 90, width: int = 120, format: str = "JPEG") -> bytes:
    """A picture file."""
    content = io.BytesIO()
    Image.fromarray(photo_like(height, width)).save(content, format)
    return content.getvalue()


@dataclass
class Nasa:
    """What the server knows. days: entries by date. files: pictures by path. failing: status or body of every answer.

    failing_files: paths of pictures that answer 500. requests: the paths that were asked for, in order.
    held: pictures are sent only while it is set. retry_after: header of failures, if not empty.
    """

    address: str = ""
    days: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    failing: int | bytes | None = None
    retry_after: str = ""
    failing_files: set[str] = field(default_factory=set)
    held: threading.Event = field(default_factory=_set)
    requests: list[str] = field(default_factory=list)

    def add(self, date: str, title: str = "A nebula", file: bytes | None = None, **fields: Any) -> None:
        """Add a day with a picture; `fields` replace those of its entry."""
        path = f"/picture/{date}.jpg"
        self.files[path] = picture() if file is None else file
        self.days[date] = {
            "date": date,
            "post_id": 1,
            "title": title,
            "permalink": f"https://science.nasa.gov/image-article/apod-{date}/",
            "media_type": "image",
            "explanation": f"<strong>Explanation:</strong> What does {title} <a href='https://nasa.gov/'>show</a>?"
            "<br><br><strong>APOD's email</strong>",
            "credit": "<a href='https://example.org'>An astronomer</a>",
            "copyright": False,
            "alt": title,
            "url": f"https://science.nasa.gov/image-article/apod-{date}/",
            "hdurl": f"{self.address}{path}?w=120&h=90&fit=clip",
            "basic_html": "<!doctype html>",
        } | fields

    def add_video(self, date: str) -> None:
        """Add a day whose entry is a video, with a still behind its picture link."""
        self.add(
            date,
            "A film",
            media_type="video",
            hdurl=f"{self.address}/picture/{date}.jpg?w=0&h=0",
            basic_html='<iframe src="https://www.youtube.com/embed/abc"></iframe>',
        )

    def pictures_asked_for(self) -> int:
        """How often a picture was downloaded."""
        return sum(urlsplit(path).path.startswith("/picture/") for path in self.requests)

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        self.requests.append(path)
        parts = urlsplit(path)
        if isinstance(self.failing, int):
            return self.failing, "text/html", b"<html>an error</html>"
        if self.failing is not None:
            return 200, "application/json", self.failing
        if parts.path in self.failing_files:
            return 500, "text/html", b"<html>an error</html>"
        if parts.path in self.files:
            self.held.wait(60)
            return 200, "image/jpeg", self.files[parts.path]
        if parts.path == INTERFACE:
            return _json(self._list(parse_qs(parts.query)))
        date = _date(parts.path.removeprefix(f"{INTERFACE}/"))
        return _json(self.days[date]) if date in self.days else (404, "application/json", b'{"code":"not_found"}')

    def _list(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        first, last = (_date(query.get(name, [""])[0]) for name in ("date_from", "date_to"))
        asked = [day for day in sorted(self.days, reverse=True) if not first or first <= day <= last]
        return [self.days[day] for day in asked[:LIST_LENGTH]]


@contextmanager
def serving(nasa: Nasa) -> Iterator[str]:
    """Serve what `nasa` knows; gives the interface's address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = nasa.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            if status >= 400 and nasa.retry_after:
                self.send_header("Retry-After", nasa.retry_after)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    nasa.address = f"http://127.0.0.1:{server.server_port}"
    with running(server):
        yield nasa.address + INTERFACE


@contextmanager
def sending(pieces: Iterable[bytes], pause: float = 0.0) -> Iterator[str]:
    """Serve raw bytes: to each request, all of `pieces`, with `pause` seconds before each; gives the address."""
    over = threading.Event()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1 << 16)
            with suppress(OSError):  # the client has left
                for piece in pieces:
                    if over.wait(pause):
                        return
                    self.request.sendall(piece)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with running(server):
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            over.set()


def _json(value: object) -> tuple[int, str, bytes]:
    return 200, "application/json", json.dumps(value).encode()


def _date(short: str) -> str:
    """YYMMDD -> YYYY-MM-DD; empty for anything else."""
    if len(short) != 6 or not short.isdigit():
        return ""
    century = "19" if short[:2] >= "95" else "20"
    return f"{century}{short[:2]}-{short[2:4]}-{short[4:]}"
