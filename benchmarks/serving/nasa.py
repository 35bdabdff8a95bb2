"""A fake of NASA's API with the same picture for every day."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.serving import pictures

INTERFACE = "/apod"


class _Handler(BaseHTTPRequestHandler):
    today: dt.date

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == INTERFACE:
            self._send(json.dumps([self._entry(self.today)]).encode(), "application/json")
        elif path.startswith(f"{INTERFACE}/"):
            day = dt.datetime.strptime(path.rsplit("/")[-1], "%y%m%d").date()
            self._send(json.dumps(self._entry(day)).encode(), "application/json")
        else:
            self._send(pictures.photo("jpg"), "image/jpeg")

    def _entry(self, day: dt.date) -> dict[str, Any]:
        host = f"http://{self.headers['Host']}"
        text = {"title": f"A nebula on {day}", "explanation": "<strong>Explanation:</strong> A nebula.", "credit": "A"}
        return {"date": str(day), "media_type": "image", "hdurl": f"{host}/picture/{day}.jpg", **text}

    def _send(self, body: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def serving(today: dt.date) -> Iterator[str]:
    """Serve on loopback; yield the API's address."""
    handler = type("Handler", (_Handler,), {"today": today})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{INTERFACE}"
        finally:
            server.shutdown()
