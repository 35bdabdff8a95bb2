"""The HTTP client for NASA's hosts: patient, polite and careful about where it goes."""

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from clock import Clock

from apps.monitor import fetch
from apps.monitor.apod import bounded
from apps.monitor.fetch import Fetcher, NotThereError, RefusedError, UnavailableError

RESET, SILENCE, TRICKLE = -1, -2, -3


@dataclass
class Site:
    """A server that gives its answers in turn, the last one for ever: status, headers, body."""

    address: str = ""
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def site() -> Iterator[Site]:
    given, over = Site(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given.asked.append(dict(self.headers))
            status, headers, body = given.answers.pop(0) if len(given.answers) > 1 else given.answers[0]
            if status == SILENCE:
                over.wait(20)
            if status == TRICKLE:
                self.trickle()
            if status < 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def trickle(self) -> None:
            self.send_response(200)
            self.end_headers()
            while not over.wait(0.02):
                self.wfile.write(b"x")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    given.address = f"http://127.0.0.1:{server.server_port}/"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield given
    over.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetcher(site: Site, clock: Clock) -> Iterator[Fetcher]:
    made = Fetcher(site.address, sleep=clock.sleep, now=clock.now)
    yield made
    made._session.close()


def test_it_says_who_asks(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {}, b"here")]
    assert fetcher.get(site.address, 100) == b"here"
    assert "double-resolution" in site.asked[0]["User-Agent"]


@pytest.mark.parametrize("failure", [500, 503, RESET])
def test_a_failure_that_passes_is_tried_again(site: Site, fetcher: Fetcher, failure: int) -> None:
    site.answers = [(failure, {}, b""), (failure, {}, b""), (200, {}, b"here")]
    assert fetcher.get(site.address, 100) == b"here"


def test_pauses_grow_while_nasa_fails(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    site.answers = [(500, {}, b"")]
    pauses = []
    for _ in range(3):
        with pytest.raises(UnavailableError) as caught:
            fetcher.get(site.address, 100)
        pauses.append(caught.value.retry_at - clock.now())
        clock.seconds = caught.value.retry_at
    assert pauses == [60, 120, 240]


@pytest.mark.parametrize("header", ["1800", "Mon, 23 Nov 2026 12:30:00 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(site: Site, fetcher: Fetcher, clock: Clock, status: int, header: str) -> None:
    site.answers = [(status, {"Retry-After": header}, b"")]
    for _ in range(3):
        with pytest.raises(UnavailableError) as caught:
            fetcher.get(site.address, 100)
    assert caught.value.retry_at == clock.now() + 1800
    assert len(site.asked) == 1


def test_429_without_retry_after_is_not_hammered(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(429, {}, b"")]
    for _ in range(2):
        with pytest.raises(UnavailableError):
            fetcher.get(site.address, 100)
    assert len(site.asked) == 1


def test_silence_ends_in_a_sentence(site: Site, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", (1, 0.1))
    site.answers = [(SILENCE, {}, b"")]
    with pytest.raises(UnavailableError, match="did not answer in time"):
        fetcher.get(site.address, 100)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/a.jpg",
        "https://science.nasa.gov.example.org/a.jpg",
        "https://example.org\\@science.nasa.gov/a.jpg",  # parsers differ on whose host that is
        "https://science.nasa.gov@example.org/a.jpg",
        "https://science.nasa.gov:22/a.jpg",
        "http://science.nasa.gov/a.jpg",
        "ftp://science.nasa.gov/a.jpg",
        "file:///etc/passwd",
        "https://169.254.169.254/latest",
        "https://[::1]/a.jpg",
        "https://[",
        "",
    ],
)
def test_only_https_to_nasa_is_let_out(fetcher: Fetcher, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher._session, "get", lambda *_, **__: pytest.fail("it was asked for"))
    with pytest.raises(RefusedError, match=r"not NASA's|cannot be read"):
        fetcher.get(address, 100)


@pytest.mark.parametrize("target", ["http://10.0.0.1/a", "https://example.org/a", "http://science.nasa.gov/a"])
def test_a_redirect_to_a_foreign_host_is_refused(site: Site, fetcher: Fetcher, target: str) -> None:
    site.answers = [(302, {"Location": target}, b"")]
    with pytest.raises(RefusedError, match="not NASA's"):
        fetcher.get(site.address, 100)


def test_a_host_of_nasa_inside_a_private_network_is_refused(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = [(2, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: inside)
    with pytest.raises(RefusedError, match="private network"):
        fetcher.get("https://assets.science.nasa.gov/a.jpg", 100)


def test_redirects_that_never_end_are_refused(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(302, {"Location": "/again"}, b"")]
    with pytest.raises(RefusedError, match="redirect to redirect"):
        fetcher.get(site.address, 100)


def test_too_many_bytes_are_refused(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {}, b"x" * 101)]
    with pytest.raises(RefusedError, match="larger"):
        fetcher.get(site.address, 100)


def test_an_answer_cut_short_is_no_answer(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {"Content-Length": "50"}, b"half")]
    with pytest.raises(UnavailableError, match="broke off"):
        fetcher.get(site.address, 100)


def test_an_answer_that_trickles_for_ever_is_given_up(
    site: Site, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.1)
    site.answers = [(TRICKLE, {}, b"")]
    with pytest.raises(UnavailableError, match="is too slow"):
        fetcher.get(site.address, 1_000_000)


def test_a_compressed_answer_in_chunks_is_unpacked(site: Site, fetcher: Fetcher) -> None:
    packed = gzip.compress(b"here" * 1000)
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (packed[:9], packed[9:])) + b"0\r\n\r\n"
    headers = {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked", "Content-Length": ""}
    site.answers = [(200, headers, chunked)]
    assert fetcher.get(site.address, 5000) == b"here" * 1000
    with pytest.raises(RefusedError, match="larger"):
        fetcher.get(site.address, 3999)


def test_what_has_not_changed_is_not_sent_again(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {"ETag": '"1"'}, b"here"), (304, {}, b"")]
    assert [fetcher.get(site.address, 100, remember=True) for _ in range(2)] == [b"here", b"here"]
    assert site.asked[1]["If-None-Match"] == '"1"'


def test_a_missing_page_is_told_apart_from_a_failure(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(404, {}, b"")]
    with pytest.raises(NotThereError):
        fetcher.get(site.address, 100)


def test_a_huge_picture_is_asked_for_smaller_in_its_proportions() -> None:
    address = "https://assets.science.nasa.gov/dynamicimage/a.png?w=20000&h=5000&fit=clip"
    smaller = bounded(address, 16_000_000)
    assert smaller.endswith("?w=8000&h=2000&fit=clip")
    assert bounded(smaller, 16_000_000) == smaller
