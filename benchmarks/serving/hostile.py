"""Attacks, each bounded in bytes and time. None expects an answer; the app must be unaffected."""

import json
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from benchmarks.serving import pictures

API = "/gradio_api"
MOST_BYTES = 64_000_000
MOST_SECONDS = 30.0
BLOCK = b"x" * 65_536
JOINS = 1000
SOCKETS = 40

REFUSED_ROUTES = (
    "/deep_link?session_hash=x",
    "/component_server",
    "/process_recording",
    "/run/double",
    "/api/double",
    "/run/predict",
    "/monitoring",
    "/monitoring/summary",
    "/vibe-editor",
    "/stream/x/0/0/playlist.m3u8",
)
PATHS = (
    "/etc/passwd",
    "/proc/self/environ",
    "../../../../etc/passwd",
    "..%2f..%2f..%2fetc%2fpasswd",
    "http://127.0.0.1:9/endless.jpg",
    "https://localhost/x",
    "file:///etc/passwd",
    "\\\\host\\share",
    "a" * 100_000,
)


@dataclass(frozen=True)
class Target:
    """The attacked app, its address, and the time at which all clients stop."""

    app: str
    address: str
    until: float

    @property
    def deadline(self) -> float:
        """Return the end time of an attack that begins now."""
        return min(self.until, time.time() + MOST_SECONDS)

    def connect(self) -> socket.socket:
        """Open a connection."""
        parts = urlsplit(self.address)
        return socket.create_connection((parts.hostname or "", parts.port), timeout=5)

    def post(self, path: str, **content: Any) -> httpx.Response:
        """Send a request to a Gradio route."""
        return httpx.post(self.address + API + path, timeout=MOST_SECONDS, **content)


def large_json(target: Target) -> None:
    """Send a JSON body of at least MOST_BYTES."""
    target.post("/queue/join", content=_blocks(b'{"data":["'), headers={"Content-Type": "application/json"})


def large_field(target: Target) -> None:
    """Send a form field that is not a file, of MOST_BYTES."""
    start = b'--b\r\nContent-Disposition: form-data; name="files"\r\n\r\n'
    target.post("/upload", content=_blocks(start), headers={"Content-Type": "multipart/form-data; boundary=b"})


def refused_routes(target: Target) -> None:
    """Request routes that no visitor needs."""
    for route in REFUSED_ROUTES:
        httpx.get(target.address + API + route, timeout=MOST_SECONDS)
        target.post(route, json={"data": [None], "session_hash": "x", "fn_index": 0})


def paths(target: Target) -> None:
    """Request server files and foreign addresses, as uploads and as downloads."""
    for path in PATHS:
        with suppress(httpx.InvalidURL):
            httpx.get(f"{target.address}{API}/file={path}", timeout=MOST_SECONDS)
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        for call in ("double", "today"):
            target.post(f"/call/{call}", json={"data": [file]})


def foreign_page(target: Target) -> None:
    """Send requests as a foreign web page would, by DNS rebinding or directly."""
    for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        target.post("/call/double", json={"data": [None]}, headers=headers)
        httpx.get(target.address, headers=headers, timeout=MOST_SECONDS)


def many_joins(target: Target) -> None:
    """Start many jobs without reading a result."""
    with httpx.Client(timeout=MOST_SECONDS) as client:
        for n in range(JOINS):
            body = {"data": [None], "fn_index": n % 20, "session_hash": f"s{random.random()}"}
            client.post(f"{target.address}{API}/queue/join", json=body)
            if time.time() > target.deadline:
                return


def empty_batches(target: Target) -> None:
    """Create many batches of the page, and guess others' ids."""
    with httpx.Client(timeout=MOST_SECONDS) as client:
        for _ in range(JOINS):
            answer = client.post(f"{target.address}/work", json={"choices": {"model": "fast"}})
            client.get(f"{target.address}/work/{random.getrandbits(128):032x}/0/result")
            if answer.status_code == 201:
                client.post(f"{target.address}/work/{answer.json()['id']}/0/comparison")
            if time.time() > target.deadline:
                return


def abandoned_batches(target: Target) -> None:
    """Give many pictures at once, and never come back for them."""
    with httpx.Client(timeout=MOST_SECONDS) as client:
        answer = client.post(f"{target.address}/work", json={"choices": {"model": "fast", "flips": True}})
        answer.raise_for_status()
        batch = f"{target.address}/work/{answer.json()['id']}"
        for name, content in pictures.hostile().items():
            client.put(batch, params={"name": name}, content=content)


def one_file_many_times(target: Target) -> None:
    """Reference one upload 5,000 times in one job."""
    file = _uploaded(target, "photo.png", pictures.photo("png"))
    target.post("/call/v2/double", json={"file": [file] * 5_000})


def slow_bodies(target: Target) -> None:
    """Send headers or a body at one byte per second, over many connections."""
    head = f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    requests = [f"{head}Content-Length: 1000000\r\n\r\n".encode(), head.encode()]
    with ExitStack() as stack:
        connections = [stack.enter_context(target.connect()) for _ in range(SOCKETS)]
        for n, connection in enumerate(connections):
            connection.sendall(requests[n % 2])
        while time.time() < target.deadline:
            for connection in connections:
                connection.sendall(b"x")
            time.sleep(1)


def idle_connections(target: Target) -> None:
    """Open connections without sending anything."""
    with ExitStack() as stack:
        for _ in range(2 * SOCKETS):
            stack.enter_context(target.connect())
        time.sleep(max(0, min(10, target.deadline - time.time())))


def hostile_picture(target: Target) -> None:
    """Double a picture that is far larger than its file, and read the answer."""
    name, content = random.choice(list(pictures.hostile().items()))
    _double(target, name, content, read=True)


def left_job(target: Target) -> None:
    """Start doubling a picture, and disconnect before the end."""
    _double(target, "photo.png", pictures.photo("png"), read=False)


def aborted_upload(target: Target) -> None:
    """Start an upload of 10 MB, and disconnect in the middle."""
    start = b'--b\r\nContent-Disposition: form-data; name="files"; filename="cut.jpg"\r\n\r\n'
    head = f"POST {API}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    with target.connect() as connection:
        connection.sendall(f"{head}Content-Length: 10000000\r\n\r\n".encode() + start)
        for _ in range(40):
            connection.sendall(BLOCK)


ATTACKS: list[Callable[[Target], None]] = [
    large_json,
    large_field,
    refused_routes,
    paths,
    foreign_page,
    many_joins,
    empty_batches,
    abandoned_batches,
    one_file_many_times,
    slow_bodies,
    idle_connections,
    hostile_picture,
    left_job,
    aborted_upload,
]


def _blocks(start: bytes) -> Iterator[bytes]:
    """Yield a body of MOST_BYTES without a length."""
    yield start
    for _ in range(MOST_BYTES // len(BLOCK)):
        yield BLOCK


def _uploaded(target: Target, name: str, content: bytes) -> dict[str, object]:
    """Upload a file; return its name for a job."""
    answer = target.post("/upload", files={"files": (name, content)})
    answer.raise_for_status()
    return {"path": json.loads(answer.text)[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}


def _double(target: Target, name: str, content: bytes, read: bool) -> None:
    file = _uploaded(target, name, content)
    answer = target.post("/call/v2/double", json={"file": file})
    answer.raise_for_status()
    stream = f"{target.address}{API}/call/double/{answer.json()['event_id']}"
    with httpx.stream("GET", stream, timeout=MOST_SECONDS) as events:
        for _ in events.iter_lines():
            if not read or time.time() > target.deadline:
                return
