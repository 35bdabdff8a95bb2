"""A stand-in for the Hugging Face Hub that speaks its HTTP protocol, on loopback, for the real client.

It creates repositories and branches, takes commits with small files inside and large ones by LFS, and answers what
the client asks when it fetches a revision. It can be down, slow to accept, or break a connection.
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from support.servers import running

TOKEN = "hf_test_of_ada"  # the token of the user `ada`, who may write to ada/...
READ_TOKEN = "hf_test_of_ada_read_only"
LFS_SUFFIXES = (".safetensors", ".onnx", ".bin", ".png")  # what the Hub's default .gitattributes sends to LFS

Files = dict[str, bytes]


@dataclass
class Repository:
    """A repository of one kind: "model", "dataset" or "space"; `commits` are snapshots of all files, oldest first."""

    kind: str
    private: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    sdk: str | None = None  # of a Space
    settings: dict[str, dict[str, str]] = field(default_factory=lambda: {"secrets": {}, "variables": {}})  # likewise

    def commit(self, files: Files, branch: str = "main") -> str:
        """Add a commit that makes `files` all that the branch holds, and return its id."""
        content = json.dumps([len(self.commits), {path: _sha256(data) for path, data in files.items()}])
        oid = hashlib.sha1(content.encode()).hexdigest()
        self.commits[oid] = dict(files)
        self.branches[branch] = oid
        return oid

    def files(self, branch: str = "main") -> Files:
        return self.commits[self.branches[branch]]


class Hub(ThreadingHTTPServer):
    """The server and all it knows. `down`: it answers 503 to everything. `breaks_at`: paths that match lose the line
    before an answer, `cuts_at`: in the middle of it; at `trickles_at` a byte comes every tenth of a second, and at
    `floods_at` more and more, without end. `said`: sizes of files that it tells in place of the true ones.
    `requests`: method and path of each request so far."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.cdn = f"http://localhost:{self.server_address[1]}/cdn"  # another host, as the Hub's is: it ends redirects
        self.repositories: dict[str, Repository] = {}
        self.large: Files = {}
        self.down = False
        self.breaks_at: str | None = None
        self.cuts_at: str | None = None
        self.trickles_at: str | None = None
        self.floods_at: str | None = None
        self.said: dict[str, int] = {}
        self.requests: list[str] = []

    def create(self, name: str, kind: str = "model", files: Files | None = None) -> Repository:
        """Make a repository named user/name, as if it had been there."""
        repository = self.repositories[f"{kind}s/{name}"] = Repository(kind)
        repository.commit({".gitattributes": b"*.onnx filter=lfs\n"} | (files or {}))
        return repository

    def model(self, name: str) -> Repository:
        return self.repositories[f"models/{name}"]

    def space(self, name: str) -> Repository:
        return self.repositories[f"spaces/{name}"]

    def environment(self, cache: Path, token: str | None = TOKEN) -> dict[str, str]:
        """What a program needs in its environment to take this server for the Hub."""
        values = {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(cache),
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }
        return values | ({"HF_TOKEN": token} if token else {})

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hangs up."""


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve an empty Hub in a thread."""
    hub = Hub()
    with running(hub):
        yield hub


class _RefusedError(Exception):
    """An answer that is an error: status, the Hub's code (header X-Error-Code), message, and what else it says."""

    def __init__(self, status: int, message: str, code: str = "", **said: str) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.said = status, message, code, said


class _Handler(BaseHTTPRequestHandler):
    """Finds the method whose pattern fits the request; each returns (status, headers, body)."""

    server: Hub
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.server.requests.append(f"{self.command} {self.path}")
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self._is_at(self.server.breaks_at):
            self.close_connection = True
            return
        try:
            status, headers, content = self._route(body)
        except _RefusedError as refused:
            status, content = refused.status, json.dumps({"error": refused.message} | refused.said).encode()
            headers = {"X-Error-Code": refused.code, "X-Error-Message": refused.message}
        self._send(status, headers, content)

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        floods = self.command == "GET" and self._is_at(self.server.floods_at)
        if floods:  # no length, so that the end of the connection is the end
            headers, self.close_connection = headers | {"Content-Length": ""}, True
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self._is_at(self.server.cuts_at):
            content, self.close_connection = content[: len(content) // 2], True
        if self.command == "HEAD":
            return
        if self._is_at(self.server.trickles_at):
            for byte in content:
                self.wfile.write(bytes([byte]))
                time.sleep(0.1)
        else:
            self.wfile.write(content)
        while floods:
            self.wfile.write(bytes(1 << 20))

    def _is_at(self, pattern: str | None) -> bool:
        return pattern is not None and re.search(pattern, self.path) is not None

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output clean."""

    def _route(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.server.down:
            raise _RefusedError(503, "Service Unavailable")
        path = unquote(urlsplit(self.path).path)
        method = "GET" if self.command == "HEAD" else self.command
        for verb, pattern, action in _ROUTES:
            if verb == method and (match := re.fullmatch(pattern, path)):
                return action(self, body, **match.groupdict())
        raise _RefusedError(404, f"no such page: {path}")

    def _user(self) -> str | None:
        """Who asks, "ada" or "ada (read only)" or None. Refuses a token that the Hub does not know."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        users = {"": None, TOKEN: "ada", READ_TOKEN: "ada (read only)"}
        if token not in users:
            raise _RefusedError(401, "Invalid credentials in Authorization header")
        return users[token]

    def _check_may_write(self, name: str) -> None:
        user = self._user()
        if user is None:
            raise _RefusedError(401, "Invalid username or password.")
        if name.split("/")[0] != user:
            raise _RefusedError(403, f"You don't have the rights to write to {name}")

    def _repository(self, kind: str, name: str) -> Repository:
        repository = self.server.repositories.get(f"{kind}/{name}")
        user = self._user()
        if repository is None or (repository.private and user is None):
            raise _RefusedError(404 if user else 401, "Repository not found", "RepoNotFound")
        return repository

    def _commit(self, repository: Repository, revision: str) -> tuple[str, Files]:
        oid = repository.branches.get(revision, revision)
        if oid not in repository.commits:
            raise _RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return oid, repository.commits[oid]

    def create_repository(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        wanted = json.loads(body)
        kind = wanted.get("type") or "model"
        name = f"{wanted.get('organization') or 'ada'}/{wanted['name']}"
        url = f"{self.server.url}/{'' if kind == 'model' else f'{kind}s/'}{name}"
        self._check_may_write(name)
        if f"{kind}s/{name}" in self.server.repositories:
            raise _RefusedError(409, "You already created this model repo", url=url)
        made = self.server.create(name, kind)
        made.private, made.sdk = wanted.get("visibility") == "private", wanted.get("sdk")
        return _json({"url": url, "name": name})

    def set_value(self, body: bytes, name: str, what: str) -> tuple[int, dict[str, str], bytes]:
        self._check_may_write(name)
        given, values = json.loads(body), self._repository("spaces", name).settings[what]
        values[given["key"]] = given["value"]
        return _json({key: {"value": value} for key, value in values.items()} if what == "variables" else {})

    def create_branch(self, body: bytes, kind: str, name: str, revision: str) -> tuple[int, dict[str, str], bytes]:
        repository = self._repository(kind, name)
        self._check_may_write(name)
        if revision in repository.branches:
            raise _RefusedError(409, f"Reference already exists: {revision}")
        start = json.loads(body or b"{}").get("startingPoint", "main")
        repository.branches[revision] = self._commit(repository, start)[0]
        return _json({})

    def describe(self, body: bytes, kind: str, name: str, revision: str | None) -> tuple[int, dict[str, str], bytes]:
        repository = self._repository(kind, name)
        oid, files = self._commit(repository, revision or "main")
        siblings: list[dict[str, str | int]] = [{"rfilename": path} for path in files]
        if "blobs" in parse_qs(urlsplit(self.path).query):
            siblings = [{"rfilename": path, "size": self.server.said.get(path, len(files[path]))} for path in files]
        return _json({"id": name, "sha": oid, "private": repository.private, "tags": [], "siblings": siblings})

    def tree(self, body: bytes, kind: str, name: str, revision: str) -> tuple[int, dict[str, str], bytes]:
        _, files = self._commit(self._repository(kind, name), revision)
        return _json([_entry(path, data) for path, data in files.items()])

    def validate_card(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if not json.loads(body)["content"].startswith("---\n"):
            return _json({"errors": [], "warnings": [{"message": "empty or missing yaml metadata in repo card"}]})
        return _json({"errors": [], "warnings": []})

    def preupload(self, body: bytes, kind: str, name: str, revision: str) -> tuple[int, dict[str, str], bytes]:
        self._check_may_write(name)
        _, files = self._commit(self._repository(kind, name), revision)
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if _is_large(file["path"]) else "regular",
                "shouldIgnore": False,
                "oid": _entry("", files[file["path"]])["oid"] if file["path"] in files else None,
            }
            for file in json.loads(body)["files"]
        ]
        return _json({"files": modes})

    def lfs_batch(self, body: bytes, name: str) -> tuple[int, dict[str, str], bytes]:
        self._check_may_write(name)
        objects = json.loads(body)["objects"]
        for wanted in objects:
            if wanted["oid"] not in self.server.large:
                wanted["actions"] = {
                    "upload": {"href": f"{self.server.url}/lfs/{wanted['oid']}"},
                    "verify": {"href": f"{self.server.url}/lfs/verify"},
                }
        return _json({"transfer": "basic", "objects": objects})

    def lfs_upload(self, body: bytes, oid: str) -> tuple[int, dict[str, str], bytes]:
        if _sha256(body) != oid:
            raise _RefusedError(400, "the content does not match its SHA-256")
        self.server.large[oid] = body
        return 200, {}, b""

    def lfs_verify(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if json.loads(body)["oid"] not in self.server.large:
            raise _RefusedError(404, "this file was not uploaded")
        return _json({})

    def commit(self, body: bytes, kind: str, name: str, revision: str) -> tuple[int, dict[str, str], bytes]:
        self._check_may_write(name)
        repository = self._repository(kind, name)
        _, before = self._commit(repository, revision)
        files = dict(before)
        for line in body.splitlines():
            change = json.loads(line)
            value = change["value"]
            match change["key"]:
                case "header" if value.get("parentCommit") not in (None, repository.branches[revision]):
                    raise _RefusedError(412, "A commit has happened since. Please refresh and try again.")
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.server.large[value["oid"]]
                case "deletedFile":
                    del files[value["path"]]
        oid = repository.commit(files, revision)
        return _json({"success": True, "commitOid": oid, "commitUrl": f"{self.server.url}/{name}/commit/{oid}"})

    def resolve(
        self, body: bytes, kind: str | None, name: str, revision: str, path: str
    ) -> tuple[int, dict[str, str], bytes]:
        oid, files = self._commit(self._repository(kind or "models", name), revision)
        headers = {"X-Repo-Commit": oid}
        if path not in files:
            raise _RefusedError(404, f"{path} does not exist", "EntryNotFound")
        data = files[path]
        if not _is_large(path):
            return 200, headers | {"ETag": f'"{_entry(path, data)["oid"]}"'}, data
        self.server.large[_sha256(data)] = data
        linked = {"X-Linked-Etag": f'"{_sha256(data)}"', "X-Linked-Size": str(len(data))}
        return 302, headers | linked | {"Location": f"{self.server.cdn}/{_sha256(data)}"}, b""

    def download(self, body: bytes, oid: str) -> tuple[int, dict[str, str], bytes]:
        data = self.server.large[oid]
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            start = int(match[1])
            return 206, {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}, data[start:]
        return 200, {"ETag": f'"{oid}"'}, data


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _is_large(path: str) -> bool:
    return path.endswith(LFS_SUFFIXES)


def _entry(path: str, data: bytes) -> dict[str, Any]:
    """A file as the tree lists it; `oid` is its git blob id."""
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": oid}
    if _is_large(path):
        entry["lfs"] = {"oid": _sha256(data), "size": len(data), "pointerSize": 130}
    return entry


def _json(value: Any) -> tuple[int, dict[str, str], bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


_REPOSITORY = r"/api/(?P<kind>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
_ROUTES: list[tuple[str, str, Callable[..., tuple[int, dict[str, str], bytes]]]] = [
    ("POST", "/api/repos/create", _Handler.create_repository),
    ("POST", "/api/validate-yaml", _Handler.validate_card),
    ("POST", r"/api/spaces/(?P<name>[^/]+/[^/]+)/(?P<what>secrets|variables)", _Handler.set_value),
    ("POST", f"{_REPOSITORY}/branch/(?P<revision>.+)", _Handler.create_branch),
    ("POST", f"{_REPOSITORY}/preupload/(?P<revision>.+)", _Handler.preupload),
    ("POST", f"{_REPOSITORY}/commit/(?P<revision>.+)", _Handler.commit),
    ("GET", f"{_REPOSITORY}/tree/(?P<revision>[^/]+)", _Handler.tree),
    ("GET", f"{_REPOSITORY}(/revision/(?P<revision>.+))?", _Handler.describe),
    ("POST", r"/(?:datasets/|spaces/)?(?P<name>[^/]+/[^/]+)\.git/info/lfs/objects/batch", _Handler.lfs_batch),
    ("POST", "/lfs/verify", _Handler.lfs_verify),
    ("PUT", "/lfs/(?P<oid>[0-9a-f]{64})", _Handler.lfs_upload),
    ("GET", "/cdn/(?P<oid>[0-9a-f]{64})", _Handler.download),
    (
        "GET",
        r"/((?P<kind>datasets|spaces)/)?(?P<name>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)",
        _Handler.resolve,
    ),
]
