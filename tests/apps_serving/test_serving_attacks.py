"""Attacks on both running apps over HTTP."""

import http.client
import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import requests
from gradio_client import Client, handle_file
from PIL import Image

from support.pictures import photo_like

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
API = "gradio_api"
DOUBLE = "double"


def join(
    app: str, file: dict[str, Any] | None, session: str | None = None, *, flips: bool = False
) -> requests.Response:
    """Request a job as the page's button does."""
    config = requests.get(f"{app}/config", timeout=30).json()
    (function,) = [fn["id"] for fn in config["dependencies"] if fn["api_name"] == DOUBLE]
    data = [file, flips, False, "as the original", 95, False, "model"]
    body = {"fn_index": function, "session_hash": session or uuid.uuid4().hex, "data": data}
    return requests.post(f"{app}/{API}/queue/join", json=body, timeout=30)


def messages(app: str, session: str) -> Iterator[dict[str, Any]]:
    """Return the app's messages to a session."""
    with requests.get(f"{app}/{API}/queue/data?session_hash={session}", stream=True, timeout=60) as stream:
        for line in stream.iter_lines():
            if line.startswith(b"data: "):
                yield json.loads(line.removeprefix(b"data: "))


def upload(app: str, *photos: Path, field: str = "files") -> requests.Response:
    files = [(field, (photo.name, photo.read_bytes(), "image/png")) for photo in photos]
    return requests.post(f"{app}/{API}/upload", files=files, timeout=60)


def as_file(path: str) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / f"{uuid.uuid4().hex}.png"
    Image.fromarray(photo_like(40, 60, seed=int(uuid.uuid4()) % 1000)).save(path)
    return path


def assert_well(app: str) -> None:
    assert requests.get(f"{app}/health", timeout=1).json()["status"] == "ok"


@pytest.mark.parametrize(
    "path",
    [
        *("/proc/self/environ", "/etc/passwd", "/dev/zero", "../../../etc/passwd", "~/.bashrc", "", "\0", "."),
        *("http://127.0.0.1:1/a.jpg", "https://example.org/a.jpg", "//example.org/a.jpg", "file:///etc/passwd"),
        __file__,
    ],
)
def test_no_file_of_the_server_can_be_named_as_an_input(ui: str, path: str) -> None:
    answer = join(ui, as_file(path))
    assert answer.status_code == 403
    assert "upload it again" in answer.json()["detail"]


@pytest.mark.parametrize("place", ["event_data", "nested", "no meta", "list"])
def test_paths_are_found_at_any_depth(ui: str, place: str) -> None:
    file = as_file("/etc/passwd")
    hidden: Any = {
        "event_data": None,
        "nested": {"a": [{"b": file}]},
        "no meta": {"path": "/etc/passwd"},
        "list": [file, file],
    }[place]
    body: dict[str, Any] = {"fn_index": 0, "session_hash": "x", "data": [hidden]}
    if place == "event_data":
        body["event_data"] = {"value": file}
    for route in ("queue/join", "call/double", "call/v2/double", "cancel", "reset"):
        assert requests.post(f"{ui}/{API}/{route}", json=body, timeout=30).status_code == 403


def test_another_session_cannot_use_an_upload(ui: str, photo: Path) -> None:
    (path,) = upload(ui, photo).json()
    assert join(ui, as_file(path), "owner").status_code == 200
    assert join(ui, as_file(path), "thief").status_code == 403
    assert list(messages(ui, "owner"))[-2]["success"]


@pytest.mark.parametrize(
    "spelling", ["{0}/{1}", "{0}//{1}", "{0}/../{2}/{1}", "{0}/./{1}", "{0}/{1}/", "{0}/{1}/../{1}"]
)
def test_another_spelling_of_an_uploads_path_is_refused(ui: str, photo: Path, spelling: str) -> None:
    uploaded = Path(upload(ui, photo).json()[0])
    assert join(ui, as_file(str(uploaded)), "owner").status_code == 200
    spelled = spelling.format(uploaded.parent, uploaded.name, uploaded.parent.name)
    assert join(ui, as_file(spelled), "thief").status_code == 403
    for _ in messages(ui, "owner"):
        pass


def test_no_name_of_a_function_evades_the_job_limit(ui: str) -> None:
    (index,) = (fn["id"] for fn in requests.get(f"{ui}/config", timeout=30).json()["dependencies"])
    for odd in (str(index), float(index), [index], True, None, 10**6, -1, {"a": index}):
        answer = requests.post(
            f"{ui}/{API}/queue/join", json={"fn_index": odd, "data": [], "session_hash": "x"}, timeout=30
        )
        assert answer.status_code == 404
    assert requests.post(f"{ui}/{API}/call/nothing", json={"data": []}, timeout=30).status_code == 404


def test_equal_photos_of_two_visitors_do_not_conflict(ui: str, photo: Path) -> None:
    for session in ("first", "second"):
        (path,) = upload(ui, photo).json()
        assert join(ui, as_file(path), session).status_code == 200
        assert [m["success"] for m in messages(ui, session) if m["msg"] == "process_completed"] == [True]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{API}/deep_link?session_hash=x"),
        ("POST", f"{API}/component_server"),
        ("POST", f"{API}/component_server/"),
        ("POST", f"{API}/process_recording"),
        ("POST", f"{API}/run/double"),
        ("POST", f"{API}/run/predict"),
        ("POST", f"{API}/run/predict/"),
        ("POST", f"{API}/api/double"),
        ("POST", f"{API}/api/predict/"),
        ("POST", "run/predict"),
        ("POST", "api/predict"),
        ("POST", f"{API}//run/double"),
        ("POST", f"/{API}/run/double"),
        ("POST", f"{API}/call/../run/double"),
        ("POST", f"{API}/call/%2e%2e/run/double"),
        ("POST", f"{API}%2frun%2fdouble"),
        ("GET", "monitoring"),
        ("GET", "monitoring/summary"),
        ("GET", "openapi.json"),
        ("GET", "docs"),
        ("GET", f"{API}/openapi.json"),
        ("GET", f"{API}/proxy=https://example.org"),
        ("GET", f"{API}/file/etc/passwd"),
        ("GET", f"{API}/runs"),
        ("GET", f"{API}/dev/reload"),
        ("GET", f"{API}/token"),
        ("GET", "pwa_icon/100000"),
        ("GET", "logout"),
        ("POST", "login"),
        ("POST", f"{API}/vibe-code"),
        ("GET", f"{API}/run-history/records"),
        ("PUT", f"{API}/queue/join"),
        ("DELETE", ""),
        ("TRACE", ""),
    ],
)
def test_unneeded_routes_are_not_served(app: str, method: str, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(app).netloc, timeout=30)  # sends the path unnormalised
    connection.request(method, f"/{path}", body=b"{}", headers={"Content-Type": "application/json"})
    assert connection.getresponse().status == 404
    connection.close()


def test_a_deep_link_is_not_read(app: str) -> None:
    plain, linked = (requests.get(f"{app}/config{query}", timeout=30).json() for query in ("", "?deep_link=x"))
    assert plain.keys() == linked.keys()
    assert linked.get("deep_link_state", "none") == plain.get("deep_link_state", "none")


@pytest.mark.parametrize(
    "path",
    [
        *("/etc/passwd", "/proc/self/environ", "http://127.0.0.1:1/", "https://example.org/a.jpg", "", "//etc/passwd"),
        *("../../etc/passwd", "%2e%2e/etc/passwd", "/dev/zero", "\0", __file__),
    ],
)
def test_no_file_of_the_server_is_served(app: str, path: str) -> None:
    answer = requests.get(f"{app}/{API}/file={quote(path)}", timeout=30, allow_redirects=False)
    assert answer.status_code == 404


def test_the_monitor_serves_only_pictures_and_the_table(monitor: str, monitor_cache: Path) -> None:
    today = Client(monitor, verbose=False).predict(api_name="/today")
    assert requests.get(f"{monitor}{today['file']}", timeout=30).status_code == 200
    (day,) = monitor_cache.glob("????-??-??-*")
    (monitor_cache / "other.txt").write_text("not for visitors", encoding="utf-8")
    (day / "link.jpg").symlink_to("/etc/passwd")
    for path in (
        monitor_cache / "history.sqlite",
        monitor_cache / "other.txt",
        day / "link.jpg",
        day / ".." / "other.txt",
    ):
        assert path.exists()
        assert requests.get(f"{monitor}/{API}/file={path}", timeout=30).status_code == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example", ""]
)
def test_dns_rebinding_is_refused(app: str, host: str) -> None:
    assert requests.get(app, headers={"Host": host}, timeout=30).status_code in (400, 421)


@pytest.mark.parametrize("host", ["localhost", "app.localhost:1", "192.168.1.7:7860", "[::1]:7860"])
def test_ip_addresses_and_localhost_are_served(app: str, host: str) -> None:
    assert requests.get(f"{app}/health", headers={"Host": host}, timeout=30).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_cross_site_requests_are_refused(app: str, headers: dict[str, str], photo: Path) -> None:
    posts = [f"{API}/{route}" for route in ("queue/join", "call/double", "cancel", "reset", "upload")]
    for route in posts:
        assert requests.post(f"{app}/{route}", json={}, headers=headers, timeout=30).status_code == 403
    for route in ("queue/data?session_hash=x", "heartbeat/x", "call/double/x"):
        assert requests.get(f"{app}/{API}/{route}", headers=headers, timeout=30).status_code == 403
    answer = requests.options(f"{app}/{API}/queue/join", headers=headers, timeout=30)
    assert "access-control-allow-origin" not in answer.headers


def test_no_cors_headers_are_sent(app: str) -> None:
    for host in ("192.168.1.7:7860", urlsplit(app).netloc):
        headers = {"Host": host, "Origin": "https://evil.example"}
        for path in ("", "config", "health", f"{API}/info"):
            answer = requests.get(f"{app}/{path}", headers=headers, timeout=30)
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_progress_of_an_unknown_upload_is_refused(app: str) -> None:
    progress = f"{app}/{API}/upload_progress?upload_id="
    assert requests.get(progress + "x" * 50_000, timeout=30).status_code in (400, 414, 431)
    assert requests.get(progress + "unknown", timeout=30).status_code == 404


def test_forwarded_headers_are_ignored_without_a_proxy(app: str) -> None:
    root = requests.get(f"{app}/config", headers={"X-Forwarded-Host": "evil.example"}, timeout=30).json()["root"]
    assert "evil" not in root


@contextmanager
def request_begun(app: str, path: str, headers: dict[str, str]) -> Iterator[socket.socket]:
    """Open a connection and begin a POST request."""
    host, port = urlsplit(app).netloc.split(":")
    with socket.create_connection((host, int(port)), timeout=120) as connection:
        lines = [f"POST /{path} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        yield connection


def status(connection: socket.socket) -> int:
    """Return the status of the response; 0 if the connection was closed without one."""
    with suppress(OSError):
        if answer := connection.recv(4096):
            return int(answer.split()[1])
    return 0


def send_for_ever(connection: socket.socket, chunk: bytes, most: int) -> int:
    """Send chunks until the connection is closed; return the number of bytes sent."""
    sent = 0
    with suppress(OSError):
        while sent < most:
            connection.sendall(chunk)
            sent += len(chunk)
    return sent


@pytest.mark.parametrize("route", ["queue/join", "call/double", "call/v2/double", "cancel"])
def test_a_large_json_body_is_refused_before_it_is_parsed(app: str, route: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": "524000000"}
    with request_begun(app, f"{API}/{route}", headers) as connection:
        assert send_for_ever(connection, b"[" * 65536, 524_000_000) < 20_000_000
        assert status(connection) in (413, 0)
    assert_well(app)


FORM = {"Content-Type": "multipart/form-data; boundary=x", "Transfer-Encoding": "chunked"}


@pytest.mark.parametrize(
    "head",
    [
        b'Content-Disposition: form-data; name="files"',
        b'Content-Disposition: form-data; name="a"\r\nX-filename: b',
        b'Content-Disposition: form-data; name="files"; filename="a.png"\r\nContent-Disposition: form-data; name="a"',
    ],
)
def test_a_form_field_does_not_fill_the_memory(app: str, head: bytes) -> None:
    with request_begun(app, f"{API}/upload", FORM) as connection:
        body = b"--x\r\n" + head + b"\r\n\r\n"
        connection.sendall(f"{len(body):x}\r\n".encode() + body + b"\r\n")
        assert send_for_ever(connection, b"10000\r\n" + b"a" * 65536 + b"\r\n", 524_000_000) < 20_000_000
        assert status(connection) in (413, 0)
    assert_well(app)


def test_a_client_that_sends_everything_before_it_reads_gets_the_refusal(app: str) -> None:
    size = 3 * 1024**2
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(size), "Origin": "https://evil"}
    with request_begun(app, f"{API}/upload", headers) as connection:
        for _ in range(8):
            time.sleep(0.1)  # the refusal has come, and is not read
            connection.sendall(bytes(size // 8))
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert response.status in (403, 404)  # the monitor takes no uploads
        assert json.loads(response.read())["detail"]


def test_an_upload_ends_at_the_limit(ui: str, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(os.urandom(2_200_000))
    assert upload(ui, large).status_code == 413
    small = [tmp_path / f"{n}.png" for n in range(51)]
    for path in small:
        path.write_bytes(b"x")
    assert upload(ui, *small[:50]).status_code == 200
    assert upload(ui, *small).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        *(b"[" * 500_000, b"{}" * 3, b'"text"', b"\xff", b"", b'{"session_hash": 5}', b"{" * 9000),
        *(b'{"session_hash": "\\ud800"}', b'{"data": [{"\\udfff": []}]}', b'{"data": [NaN]}', b'{"data": [1e999]}'),
    ],
)
def test_invalid_json_gets_an_error_message(app: str, body: bytes) -> None:
    answer = requests.post(f"{app}/{API}/queue/join", data=body, timeout=30)
    assert answer.status_code == 400
    assert answer.json()["detail"]


def test_sessions_with_lone_surrogates_leave_the_queue_to_others(ui: str, photo: Path) -> None:
    for _ in range(3):
        assert join(ui, None, "\ud800x").status_code == 400
    (path,) = upload(ui, photo).json()
    assert join(ui, as_file(path), "other").status_code == 200
    assert [m["success"] for m in messages(ui, "other") if m["msg"] == "process_completed"] == [True]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"work/{'0' * 32}/{'9' * 5000}/result", None),
        ("POST", f"work/{'0' * 32}/{'9' * 5000}/comparison", None),
        ("GET", f"static/{'a' * 5000}", None),
        ("GET", f"static/{'a/' * 2500}", None),
        ("POST", f"{API}/call/v2/{DOUBLE}", {"nonsense": 1}),
        ("POST", f"{API}/call/v2/{DOUBLE}", {"flips": True}),
        ("POST", f"{API}/call/v2/{DOUBLE}", {"file": as_file("\ud800")}),
        ("GET", f"{API}/call/{DOUBLE}/unknown", None),
        ("GET", f"{API}/queue/data?session_hash=unknown", None),
    ],
)
def test_a_request_that_fits_nothing_is_refused_with_a_sentence(ui: str, method: str, path: str, body: Any) -> None:
    answer = requests.request(method, f"{ui}/{path}", json=body, timeout=30)
    assert answer.status_code in (400, 404)
    assert "; " in answer.json()["detail"]


def test_a_private_function_is_not_called_by_names(monitor: str) -> None:
    assert requests.post(f"{monitor}/{API}/call/v2/show", json={}, timeout=30).status_code == 404


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"quality": None}, "The option quality has no such value; see the API page."),
        ({"flips": "abc"}, "The option flips has no such value; see the API page."),
        ({"format": None}, "The option format has no such value; see the API page."),
        ({"format": "BMP"}, "Value: BMP is not in the list of choices"),
        ({"quality": "high"}, "A value does not fit its parameter; see the API page."),
        ({"file": "photo.jpg"}, "A value does not fit its parameter; see the API page."),
        ({"file": None}, "There is no file; give a picture."),
    ],
)
def test_values_that_fit_no_parameter_are_refused_with_a_sentence(
    ui: str, photo: Path, options: dict[str, Any], sentence: str
) -> None:
    (path,) = upload(ui, photo).json()
    started = requests.post(f"{ui}/{API}/call/v2/{DOUBLE}", json={"file": as_file(path)} | options, timeout=30).json()
    answer = requests.get(f"{ui}/{API}/call/{DOUBLE}/{started['event_id']}", timeout=60).text
    assert answer.startswith("event: error") and sentence in answer


def test_a_long_session_id_is_refused(app: str) -> None:
    long = "x" * 100
    assert requests.get(f"{app}/{API}/queue/data?session_hash={long}", timeout=30).status_code == 400
    for session in (long, "%0a", "a%20b", "%F0%9F%8C%8C"):
        assert requests.get(f"{app}/{API}/heartbeat/{session}", timeout=30).status_code == 400
    assert requests.post(f"{app}/{API}/queue/join", json={"session_hash": long}, timeout=30).status_code == 400


def test_health_may_be_asked_for_by_head(app: str) -> None:
    answer = requests.head(f"{app}/health", timeout=30)
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_idle_connection_is_closed(app: str) -> None:
    host, port = urlsplit(app).netloc.split(":")
    began = time.monotonic()
    with (
        socket.create_connection((host, int(port)), timeout=60) as silent,
        socket.create_connection((host, int(port)), timeout=60) as slow,
    ):
        with suppress(OSError):
            for letter in b"GET / HTTP/1.1\r\nX-A: " + b"a" * 1000:
                slow.send(bytes([letter]))
                time.sleep(0.2)
        with suppress(ConnectionResetError):
            assert silent.recv(1) == b""
    assert time.monotonic() - began < 40


def test_one_address_cannot_take_all_connections(app: str) -> None:
    host, port = urlsplit(app).netloc.split(":")
    taken = []
    with suppress(OSError):
        for _ in range(300):
            taken.append(socket.create_connection((host, int(port)), timeout=10))
    refused = sum(_is_closed(connection) for connection in taken)
    for connection in taken:
        connection.close()
    assert refused >= 150


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_a_visitor_has_at_most_two_jobs_and_others_are_served(ui: str, tmp_path: Path) -> None:
    photo = tmp_path / "large.png"
    Image.fromarray(photo_like(150, 200)).resize((1000, 750)).save(photo)
    session = uuid.uuid4().hex
    (path,) = upload(ui, photo).json()
    answers = [join(ui, as_file(path), session) for _ in range(100)]
    codes = [answer.status_code for answer in answers]
    assert codes.count(200) <= 10  # two at a time; some may have finished meanwhile
    refused = [answer.json()["detail"] for answer in answers if answer.status_code == 429]
    assert "you have 2 jobs" in refused[0]
    assert_well(ui)
    for _ in messages(ui, session):
        pass


def test_more_than_fifty_files_are_refused(ui: str, photo: Path) -> None:
    (path,) = upload(ui, photo).json()
    files: Any = [as_file(path)] * 51
    answer = join(ui, files)
    assert answer.status_code == 413
    assert "50 files" in answer.json()["detail"]


def test_abandoned_jobs_are_removed(ui: str, tmp_path: Path) -> None:
    photo = tmp_path / "slow.jpg"
    Image.fromarray(photo_like(150, 200)).resize((4000, 4000)).save(photo, quality=60)
    assert photo.stat().st_size < 2_000_000
    for session in ("deaf-1", "deaf-2"):
        (path,) = upload(ui, photo).json()
        assert join(ui, as_file(path), session, flips=True).status_code == 200  # for longer than the app waits
    ends = time.monotonic() + 60
    small = tmp_path / "small.png"
    Image.fromarray(photo_like(10, 10)).save(small)
    while time.monotonic() < ends:
        (path,) = upload(ui, small).json()
        answer = join(ui, as_file(path), "patient")
        if answer.status_code == 200:
            break
        time.sleep(1)
    assert answer.status_code == 200
    assert [m["success"] for m in messages(ui, "patient") if m["msg"] == "process_completed"] == [True]
    (completed, close) = list(messages(ui, "deaf-2"))[-2:]  # a stream that is opened late ends, too
    assert not completed["success"]
    assert "nobody listened" in completed["output"]["error"]
    assert close["msg"] == "close_stream"


def test_many_sessions_of_a_visitor_evict_only_their_own(ui: str, photo: Path) -> None:
    for n in range(60):
        assert join(ui, None, f"many-{n}").status_code in (200, 429, 503)
        for _ in messages(ui, f"many-{n}"):
            pass
    (path,) = upload(ui, photo).json()
    assert join(ui, as_file(path), "still-served").status_code == 200
    assert [m["success"] for m in messages(ui, "still-served") if m["msg"] == "process_completed"] == [True]


def test_all_temporary_files_are_in_one_folder(ui: str, ui_temporary: Path, photo: Path) -> None:
    with request_begun(ui, f"{API}/upload", FORM | {"Connection": "close"}) as connection:
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + b"a" * 500_000
        connection.sendall(f"{len(body):x}\r\n".encode() + body + b"\r\n")
        time.sleep(0.5)
    Client(ui, verbose=False).predict(handle_file(photo), api_name="/double")
    (folder,) = ui_temporary.glob("double_resolution_*")
    assert {path.name for path in ui_temporary.iterdir()} == {folder.name, "model"}
