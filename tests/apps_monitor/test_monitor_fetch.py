"""HTTP client for NASA's hosts: retries, back-off, limits and checked addresses."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain, repeat

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.monitor import fetch
from apps.monitor.addresses import RefusedError
from apps.monitor.apod import bounded
from apps.monitor.errors import ApodError
from apps.monitor.fetch import Fetcher, NotThereError, UnavailableError
from support.clock import Clock
from support.memory import little_memory
from support.nasa import sending
from support.servers import running

RESET, SILENCE = -1, -2


@dataclass
class Site:
    """A server that gives its answers in turn, the last one repeatedly: (status, headers, body)."""

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
            if status < 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Suppress the log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    given.address = f"http://127.0.0.1:{server.server_port}/"
    with running(server):
        yield given
        over.set()


@pytest.fixture
def fetcher(site: Site, clock: Clock) -> Fetcher:
    return Fetcher(site.address, sleep=clock.sleep, now=clock.now)


def test_the_user_agent_names_the_monitor(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {}, b"here")]
    assert fetcher.get(site.address, 100) == b"here"
    assert "double-resolution" in site.asked[0]["User-Agent"]


@pytest.mark.parametrize("failure", [500, 503, RESET])
def test_a_temporary_failure_is_retried(site: Site, fetcher: Fetcher, failure: int) -> None:
    site.answers = [(failure, {}, b""), (failure, {}, b""), (200, {}, b"here")]
    assert fetcher.get(site.address, 100) == b"here"


def test_backoff_grows_while_nasa_fails(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    site.answers = [(500, {}, b"")]
    pauses = []
    for _ in range(3):
        with pytest.raises(UnavailableError) as caught:
            fetcher.get(site.address, 100)
        pauses.append(caught.value.retry_at - clock.now())
        clock.seconds = caught.value.retry_at
    assert pauses == [60, 120, 240]


def test_backoff_is_short_again_after_an_answer(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    pauses = []
    for _ in range(2):
        site.answers = [(500, {}, b"")]
        with pytest.raises(UnavailableError) as caught:
            fetcher.get(site.address, 100)
        pauses.append(caught.value.retry_at - clock.now())
        clock.seconds = caught.value.retry_at
        site.answers = [(200, {}, b"here")]
        assert fetcher.get(site.address, 100) == b"here"
    assert pauses == [60, 60]


def test_a_host_that_asked_for_a_pause_before_can_be_asked_at_once(site: Site, fetcher: Fetcher, clock: Clock) -> None:
    for answer in ((503, {"Retry-After": "100"}, b""), (500, {}, b"")):
        site.answers = [answer]
        with pytest.raises(UnavailableError) as caught:
            fetcher.get(site.address, 100)
        if answer[1]:
            clock.seconds = caught.value.retry_at
    fetcher.end_back_off()
    site.answers = [(200, {}, b"here")]
    assert fetcher.get(site.address, 100) == b"here"


@pytest.mark.parametrize("header", ["1800", "Mon, 23 Nov 2026 12:30:00 GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(site: Site, fetcher: Fetcher, clock: Clock, status: int, header: str) -> None:
    site.answers = [(status, {"Retry-After": header}, b"")]
    for _ in range(3):
        with pytest.raises(UnavailableError) as caught:
            fetcher.get(site.address, 100)
    assert caught.value.retry_at == clock.now() + 1800
    assert len(site.asked) == 1


def test_429_without_retry_after_backs_off(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(429, {}, b"")]
    for _ in range(2):
        with pytest.raises(UnavailableError):
            fetcher.get(site.address, 100)
    assert len(site.asked) == 1


def test_a_silent_server_times_out(site: Site, fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT", httpx2.Timeout(0.1, connect=1))
    site.answers = [(SILENCE, {}, b"")]
    with pytest.raises(UnavailableError, match="did not answer in time"):
        fetcher.get(site.address, 100)


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/a.jpg",
        "https://science.nasa.gov.example.org/a.jpg",
        "https://example.org\\@science.nasa.gov/a.jpg",  # parsers disagree about the host
        "https://science.nasa.gov@example.org/a.jpg",
        "https://science.nasa.gov:22/a.jpg",
        "https://anyone@science.nasa.gov/a.jpg",
        "https://.nasa.gov/a.jpg",
        "https://a..nasa.gov/a.jpg",
        "https://nasa.gov../a.jpg",
        f"https://{'a' * 64}.nasa.gov/a.jpg",
        f"https://{'a.' * 200}nasa.gov/a.jpg",
        "https://-a.nasa.gov/a.jpg",
        "https://a_b.nasa.gov/a.jpg",
        "https://\N{FULLWIDTH LATIN SMALL LETTER N}asa.gov/a.jpg",
        "https://\ud800.nasa.gov/a.jpg",
        "https://xn--a.nasa.gov\x00/a.jpg",
        "https://nasa.gov:99999999999999999999/a.jpg",
        f"https://nasa.gov/{'a' * 100_000}",
        "http://science.nasa.gov:8080/a.jpg",
        "ftp://science.nasa.gov/a.jpg",
        "file:///etc/passwd",
        "https://169.254.169.254/latest",
        "https://[::1]/a.jpg",
        "https://[",
        "",
    ],
)
def test_only_https_to_nasa_is_allowed(fetcher: Fetcher, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: pytest.fail("it was looked up"))
    with pytest.raises(RefusedError, match=r"not NASA's|not a valid URL|characters"):
        fetcher.get(address, 100)


@pytest.mark.parametrize("target", ["http://10.0.0.1/a", "https://example.org/a", "ftp://science.nasa.gov/a"])
def test_a_redirect_to_a_foreign_host_is_refused(site: Site, fetcher: Fetcher, target: str) -> None:
    site.answers = [(302, {"Location": target}, b"")]
    with pytest.raises(RefusedError, match="not NASA's"):
        fetcher.get(site.address, 100)


@pytest.mark.parametrize(
    "inside",
    [
        *("10.0.0.1", "127.0.0.1", "169.254.169.254", "224.0.0.1", "::1", "fe80::1%eth0", "fd00::1", "ff0e::1"),
        *("::ffff:10.0.0.1", "2002:a00:1::", "64:ff9b::a00:1"),  # 10.0.0.1 within IPv6
    ],
)
def test_a_host_of_nasa_inside_a_private_network_is_refused(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    found = [(2, 1, 6, "", (address, 443)) for address in ("8.8.8.8", inside)]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(RefusedError, match="private network"):
        fetcher.get("https://assets.science.nasa.gov/a.jpg", 100)


def test_endless_redirects_are_refused(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(302, {"Location": "/again"}, b"")]
    with pytest.raises(RefusedError, match="redirect to redirect"):
        fetcher.get(site.address, 100)


def test_too_many_bytes_are_refused(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {}, b"x" * 101)]
    with pytest.raises(RefusedError, match="larger"):
        fetcher.get(site.address, 100)


def test_a_truncated_answer_is_an_error(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {"Content-Length": "50"}, b"half")]
    with pytest.raises(UnavailableError, match="broke off"):
        fetcher.get(site.address, 100)


START = b"HTTP/1.1 200 OK\r\n"
TRICKLES: dict[str, list[bytes]] = {
    "status line": [b"H", b"T", b"T", b"P", b"/"],
    "header": [START, b"X-A: "],
    "many headers": [START, b"X-A: 1\r\n"],
    "interim answers": [b"HTTP/1.1 100 Continue\r\n\r\n"],
    "chunk size": [START + b"Transfer-Encoding: chunked\r\n\r\n", b"0"],
    "chunk extension": [START + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"],
    "chunks": [START + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"],
    "trailers": [START + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: 1\r\n"],
    "body": [START + b"Content-Length: 900000\r\n\r\n", b"x"],
    "body without an end": [START + b"\r\n", b"x"],
    "empty members of gzip": [START + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08\x08\0\0\0\0\0\xff", b"x"],
}


@pytest.mark.slow
@pytest.mark.parametrize("case", TRICKLES)
def test_a_trickling_answer_ends_at_the_deadline(clock: Clock, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.4)
    *start, last = TRICKLES[case]
    with sending(chain(start, repeat(last, 400)), pause=0.02) as address:  # for 8 s
        started = time.monotonic()
        with pytest.raises(UnavailableError, match="is too slow"):
            Fetcher(address, sleep=clock.sleep, now=clock.now).get(address, 1_000_000)
        assert time.monotonic() - started < 4


@pytest.mark.parametrize("answer", [b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b"HTTP/1.1 500 No\r\n\r\n"])
def test_redirects_and_retries_share_the_deadline(clock: Clock, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.4)
    with sending([answer], pause=0.3) as address, pytest.raises(UnavailableError, match="is too slow"):
        Fetcher(address, sleep=clock.sleep, now=clock.now).get(address, 1_000_000)


def test_a_hanging_lookup_ends_at_the_deadline(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.2)
    answered = threading.Event()
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: answered.wait(20) or [])
    with pytest.raises(UnavailableError, match="is too slow"):
        fetcher.get("https://science.nasa.gov/a", 100)
    answered.set()


def test_requests_queued_behind_a_slow_one_end_at_their_deadline(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "DEADLINE", 0.5)
    with sending([b"H"] * 100, pause=0.1) as address, ThreadPoolExecutor(4) as visitors:
        fetcher = Fetcher(address, sleep=clock.sleep, now=clock.now)
        started = time.monotonic()
        asked = [visitors.submit(fetcher.get, address, 100) for _ in range(4)]
        assert all(isinstance(one.exception(), UnavailableError) for one in asked)
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "answer",
    [
        START + b"X-A: " + b"a" * 10_000_000 + b"\r\n\r\n",
        START + b"X-A: 1\r\n" * 1_000_000 + b"\r\n",
        START + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 10_000_000,
        START + b"Content-Length: -1\r\n\r\n",
        START + b"Content-Length: " + b"9" * 10_000 + b"\r\n\r\n",
        START + b"Content-Encoding: gzip\r\n\r\nnot gzip",
        START + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"half")[:-4],
        b"HTTP/1.1 302 Found\r\nLocation: \r\n\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"\0" * 10_000,
        b"",
    ],
    ids=lambda answer: repr(answer[:40]),
)
def test_a_broken_answer_gets_one_sentence(clock: Clock, answer: bytes) -> None:
    with sending([answer]) as address, pytest.raises(ApodError) as caught:
        Fetcher(address, sleep=clock.sleep, now=clock.now).get(address, 1_000_000)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "deflate"])
def test_only_gzip_is_decompressed(site: Site, fetcher: Fetcher, encoding: str) -> None:
    site.answers = [(200, {"Content-Encoding": encoding}, b"here")]
    with pytest.raises(RefusedError, match="unsupported encoding"):
        fetcher.get(site.address, 100)


def test_a_gzip_bomb_is_refused_before_it_expands(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(200_000_000)))]
    with little_memory(50_000_000), pytest.raises(RefusedError, match="larger"):
        fetcher.get(site.address, 1_000_000)


def test_what_follows_a_gzip_stream_is_not_kept(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {"Content-Encoding": "gzip"}, gzip.compress(b"here") + bytes(50_000_000))]
    with little_memory(5_000_000):
        assert fetcher.get(site.address, 1_000_000) == b"here"


HOSTS = st.one_of(
    st.text(max_size=80),
    st.text(st.sampled_from("a.-_@:[]\\/%\u3002\u00df0xn"), max_size=80),
    st.sampled_from(["", "a", "science", "xn--a", "1.2.3.4", "[::1]", "a" * 64]),
)
ADDRESSES = st.builds(
    "{}{}{}{}{}{}".format,
    st.sampled_from(["https://", "http://", "https:", "//", "\\\\", "javascript:", "https:///", ""]),
    st.one_of(st.just(""), st.text(max_size=9).map(lambda user: f"{user}@")),
    HOSTS,
    st.sampled_from([".nasa.gov", "nasa.gov", ".nasa.gov.", ".nasa.gov\\", ".NASA.gov", ""]),
    st.one_of(st.just(""), st.integers(-9, 10**9).map(":{}".format), st.text(max_size=6).map(":{}".format)),
    st.text(max_size=20),
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ADDRESSES)
def test_no_address_raises_another_error_or_reaches_another_host(fetcher: Fetcher, clock: Clock, address: str) -> None:
    looked_up = []

    def nowhere(host: str, *_: object, **__: object) -> list[object]:
        looked_up.append(host)
        raise socket.gaierror("no such host")

    clock.sleep(10_000)  # after the pause caused by the last failure
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("socket.getaddrinfo", nowhere)
        with pytest.raises(ApodError) as caught:
            fetcher.get(address, 100)
    assert isinstance(caught.value, (RefusedError, UnavailableError))
    assert all(host == "nasa.gov" or host.endswith(".nasa.gov") for host in looked_up)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.text(st.characters(codec="latin-1", exclude_categories=["Cc"])), st.text("0123456789 :,GMTMonNov+-"))
)
def test_any_retry_after_is_parsed_or_ignored(fetcher: Fetcher, header: str) -> None:
    pause = fetcher._retry_after(header)
    assert pause is None or 1 <= pause <= fetch.LONGEST_RETRY_AFTER


@pytest.mark.parametrize(
    "host", ["https://science.nasa.gov", "http://Science.NASA.gov:80", "https://science.nasa.gov."]
)
def test_the_checked_address_is_the_one_connected(fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    answers = iter([[(2, 1, 6, "", ("93.184.215.14", 443))]])  # a second lookup would return another address
    asked: list[httpx2.Request] = []

    async def connect(_: object, request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(404)

    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: next(answers))
    monkeypatch.setattr("httpx2.AsyncHTTPTransport.handle_async_request", connect)
    with pytest.raises(NotThereError):
        fetcher.get(f"{host}/a?b", 100)
    (request,) = asked
    assert (str(request.url), request.headers["Host"]) == ("https://93.184.215.14/a?b", "science.nasa.gov")
    assert request.extensions["sni_hostname"] == "science.nasa.gov"


def test_a_compressed_answer_in_chunks_is_decompressed(site: Site, fetcher: Fetcher) -> None:
    packed = gzip.compress(b"here" * 1000)
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (packed[:9], packed[9:])) + b"0\r\n\r\n"
    headers = {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked", "Content-Length": ""}
    site.answers = [(200, headers, chunked)]
    assert fetcher.get(site.address, 5000) == b"here" * 1000
    with pytest.raises(RefusedError, match="larger"):
        fetcher.get(site.address, 3999)


def test_an_unchanged_answer_is_not_sent_again(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(200, {"ETag": '"1"'}, b"here"), (304, {}, b"")]
    assert [fetcher.get(site.address, 100, remember=True) for _ in range(2)] == [b"here", b"here"]
    assert site.asked[1]["If-None-Match"] == '"1"'


def test_a_missing_page_is_distinguished_from_a_failure(site: Site, fetcher: Fetcher) -> None:
    site.answers = [(404, {}, b"")]
    with pytest.raises(NotThereError):
        fetcher.get(site.address, 100)


def test_a_huge_picture_is_requested_smaller_at_its_aspect_ratio() -> None:
    address = "https://assets.science.nasa.gov/dynamicimage/a.png?w=20000&h=5000&fit=clip"
    smaller = bounded(address, 16_000_000)
    assert smaller.endswith("?w=8000&h=2000&fit=clip")
    assert bounded(smaller, 16_000_000) == smaller
