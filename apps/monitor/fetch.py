"""A careful HTTP client for NASA's hosts: safe about where it goes, bounded in what it takes, and patient."""

import ipaddress
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

import requests
from urllib3.exceptions import HTTPError, LocationParseError, ReadTimeoutError
from urllib3.util import Url, parse_url

from upscaler.errors import ApodError

USER_AGENT = "double-resolution-monitor/0.1 (doubles the astronomy picture of the day; one request at a time)"
TIMEOUT = (10, 30)  # seconds to connect, and between two pieces of the answer
DEADLINE = 300  # seconds for a whole answer, however steadily it trickles
ATTEMPTS = 3
REDIRECTS = 5
FIRST_PAUSE, LONGEST_PAUSE = 60, 3600  # seconds before a host that failed is asked again; doubled each time
LONGEST_RETRY_AFTER = 24 * 3600
REMEMBERED = 64  # answers kept for the sake of their ETag
CHUNK = 1 << 16


class UnavailableError(ApodError):
    """NASA cannot be reached or will not answer now. `retry_at`: when to ask again, in seconds since 1970."""

    def __init__(self, sentence: str, retry_at: float) -> None:
        super().__init__(sentence)
        self.retry_at = retry_at


class NotThereError(ApodError):
    """NASA has nothing at this address."""


class RefusedError(ApodError):
    """An address or an answer that we will not take: a foreign host, too many bytes."""


class _PassingError(Exception):
    """A failure that may pass. `pause`: seconds that the host asked for; `again`: whether to try at once again."""

    def __init__(self, what: str, pause: float | None = None, again: bool = True) -> None:
        super().__init__(what)
        self.pause = pause
        self.again = again


@dataclass(frozen=True)
class _Seen:
    """An answer, and what to ask with whether it is still the same."""

    conditions: dict[str, str]
    body: bytes


class Fetcher:
    """Gets addresses of NASA's hosts, and of the host of `home`, one at a time. Threads may share it."""

    def __init__(
        self, home: str, sleep: Callable[[float], None] = time.sleep, now: Callable[[], float] = time.time
    ) -> None:
        """`home` is the interface's address; `sleep` and `now` are the clock, which tests replace."""
        self._home = parse_url(home)
        self._sleep, self._now = sleep, now
        self._session = requests.Session()
        self._session.headers["User-Agent"] = USER_AGENT
        self._one_at_a_time = threading.Lock()
        self._closed_until: dict[str, float] = {}
        self._failures: Counter[str] = Counter()
        self._seen: dict[str, _Seen] = {}

    def get(self, url: str, most_bytes: int, remember: bool = False) -> bytes:
        """Get an address. `remember`: keep the answer, and ask the next time whether it has changed.

        Raises NotThereError, RefusedError or UnavailableError.
        """
        with self._one_at_a_time:
            return self._patiently(url, most_bytes, remember)

    def _patiently(self, url: str, most_bytes: int, remember: bool) -> bytes:
        host = _parsed(url).netloc or ""
        if (reopens := self._closed_until.get(host, 0)) > self._now():
            raise UnavailableError(f"{_name(host)} asked for, or needs, a pause", reopens)
        failure = _PassingError("was not asked")
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(2**attempt)
            try:
                body = self._follow(url, most_bytes, remember)
            except _PassingError as error:
                failure = error
                if not failure.again:
                    break
            else:
                self._failures.pop(host, None)
                return body
        raise self._close(host, failure)

    def _close(self, host: str, failure: _PassingError) -> UnavailableError:
        """Leave a host alone for as long as it asked for, or else twice as long as the last time."""
        pause = failure.pause
        if pause is None:
            pause = min(FIRST_PAUSE * 2 ** self._failures[host], LONGEST_PAUSE)
        self._failures[host] += 1
        self._closed_until[host] = self._now() + pause
        return UnavailableError(f"{_name(host)} {failure}", self._closed_until[host])

    def _follow(self, url: str, most_bytes: int, remember: bool) -> bytes:
        """One request, with each redirect looked at before it is followed."""
        for _ in range(REDIRECTS + 1):
            self._check(_parsed(url))
            try:
                with self._session.get(
                    url, headers=self._conditions(url), stream=True, allow_redirects=False, timeout=TIMEOUT
                ) as response:
                    if not response.is_redirect:
                        return self._take(url, response, most_bytes, remember)
                    url = urljoin(url, response.headers["Location"])
            except (requests.Timeout, ReadTimeoutError) as error:
                raise _PassingError("did not answer in time") from error
            except (requests.RequestException, HTTPError) as error:
                raise _PassingError("cannot be reached or broke off") from error
        raise RefusedError("the address leads from redirect to redirect")

    def _check(self, address: Url) -> None:
        """Raise RefusedError unless an address is on a host that we trust."""
        if (address.scheme, address.netloc) == (self._home.scheme, self._home.netloc):
            return
        host = address.host or ""
        web = address.scheme == "https" and address.port in (None, 443)
        if not web or not (host == "nasa.gov" or host.endswith(".nasa.gov")):
            raise RefusedError(f"the address leads to {address.scheme}://{address.netloc}, which is not NASA's")
        if not _is_public(host):
            raise RefusedError(f"the address leads to {host}, which is inside a private network")

    def _conditions(self, url: str) -> dict[str, str]:
        seen = self._seen.get(url)
        return seen.conditions if seen else {}

    def _take(self, url: str, response: requests.Response, most_bytes: int, remember: bool) -> bytes:
        if response.status_code == 304 and url in self._seen:
            return self._seen[url].body
        if response.status_code in (400, 404, 410):
            raise NotThereError(f"NASA has nothing there (it answered {response.status_code})")
        if response.status_code != 200:
            pause = self._retry_after(response.headers.get("Retry-After"))
            raise _PassingError(
                f"answered {response.status_code}", pause, again=response.status_code >= 500 and not pause
            )
        body = self._read(response, most_bytes)
        if remember:
            self._remember(url, response, body)
        return body

    def _read(self, response: requests.Response, most_bytes: int) -> bytes:
        body, deadline = bytearray(), time.monotonic() + DEADLINE
        while piece := response.raw.read1(CHUNK, decode_content=True):  # what has come, not only whole chunks
            body += piece
            if len(body) > most_bytes:
                raise RefusedError(f"the answer is larger than {most_bytes / 1e6:.0f} MB")
            if time.monotonic() > deadline:
                raise _PassingError("is too slow", again=False)
        return bytes(body)

    def _remember(self, url: str, response: requests.Response, body: bytes) -> None:
        pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
        conditions = {ask: response.headers[told] for ask, told in pairs if told in response.headers}
        self._seen.pop(url, None)
        if conditions:
            self._seen[url] = _Seen(conditions, body)
        while len(self._seen) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _retry_after(self, header: str | None) -> float | None:
        """Seconds to wait that a Retry-After header asks for, as a number or a date; None if it says neither."""
        if header is None:
            return None
        try:
            seconds = float(header) if header.strip().isdigit() else self._until(parsedate_to_datetime(header))
        except ValueError:
            return None
        return min(max(seconds, 1.0), LONGEST_RETRY_AFTER)

    def _until(self, moment: datetime) -> float:
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - self._now()


def _parsed(url: str) -> Url:
    """An address as the library that connects reads it: for another parser its host could be another one."""
    try:
        return parse_url(url)
    except LocationParseError as error:
        raise RefusedError("the address cannot be read") from error


def _is_public(host: str) -> bool:
    """Whether all addresses of a host are on the public net; a host that has none fails when it is asked."""
    try:
        found = socket.getaddrinfo(host, 443, proto=socket.IPPROTO_TCP)
    except OSError:
        return True
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_global for *_, address in found)


def _name(host: str) -> str:
    return "NASA" if host.endswith("nasa.gov") else f"NASA's interface at {host}"
