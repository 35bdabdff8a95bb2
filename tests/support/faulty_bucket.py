"""A bucket of generated parts, and a local S3 server with injected faults."""

import hashlib
import os
import re
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from support.servers import running

Fault = Literal["reset", "stall", "503", "500", "short", "no range", "no etag", "no length", "garbled"]


GARBLED = b"\x17\x03\x03\x00\x20" + bytes(32)  # a TLS record that cannot be decrypted


@dataclass
class Bucket:
    """Parts by name. faults: one is consumed by each response. ranges: the requested ones."""

    parts: dict[str, bytes]
    faults: list[Fault] = field(default_factory=list)
    always: int | None = None  # answer every request with this status
    ranges: list[str] = field(default_factory=list)
    endpoint_url: str = ""
    stall: float = 1.0  # seconds


@contextmanager
def serve(bucket: Bucket, tls: ssl.SSLContext | None = None) -> Iterator[Bucket]:
    """Serve the bucket as S3 does: GET with Range and If-Match, errors as XML."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = re.fullmatch(r"/open-images-dataset/tar/(\w+)\.tar\.gz", self.path)
            fault = bucket.faults.pop(0) if bucket.faults else None
            if bucket.always or fault in ("500", "503"):
                self._refuse(bucket.always or int(fault or 0))
            elif not name or name[1] not in bucket.parts:
                self._refuse(404)
            else:
                self._answer(bucket.parts[name[1]], fault)

        def _answer(self, content: bytes, fault: Fault | None) -> None:
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            if self.headers.get("If-Match", etag) != etag:
                return self._refuse(412)
            asked = self.headers.get("Range")
            if fault == "no range":
                asked = None
            start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
            bucket.ranges.append(asked or "")
            body = content[start:]
            self.send_response(206 if asked else 200)
            if fault != "no etag":
                self.send_header("ETag", etag)
            if fault != "no length":
                self.send_header("Content-Length", str(len(body)))
            self.close_connection = fault == "no length"
            if asked:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            return self._send(body, fault)

        def _send(self, body: bytes, fault: Fault | None) -> None:
            if fault not in ("reset", "stall", "short", "garbled"):
                self.wfile.write(body)
                return
            self.wfile.write(body[: len(body) // 3])
            self.wfile.flush()
            self.close_connection = True
            if fault == "stall":
                time.sleep(bucket.stall)
            if fault == "garbled":
                os.write(self.connection.fileno(), GARBLED)
            if fault == "reset":
                self.connection.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER 0: RST, not FIN
                self.connection.close()

        def _refuse(self, status: int) -> None:
            body = f"<?xml version='1.0'?><Error><Code>E{status}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Ignore clients that disconnect."""

    server = Server(("127.0.0.1", 0), Handler)
    bucket.endpoint_url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield bucket
