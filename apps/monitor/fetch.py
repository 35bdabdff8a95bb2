"""HTTP client for NASA's hosts: checks where it goes, bounds what it takes, and ends at one deadline."""

import asyncio
import functools
import threading
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx2

from apps.monitor import addresses
from apps.monitor.addresses import RefusedError
from apps.monitor.errors import ApodError

USER_AGENT = "double-resolution-monitor/0.1 (doubles the astronomy picture of the day; one request at a time)"
TIMEOUT = httpx2.Timeout(30, connect=10)  # seconds of silence; the sooner of this and the deadline counts
DEADLINE = 300.0  # seconds for a whole `get`: its turn, lookups, connections, redirects, answers and retries
ATTEMPTS = 3
REDIRECTS = 5
FIRST_PAUSE, LONGEST_PAUSE = 60, 3600  # seconds before a host that failed is asked again; doubled each time
LONGEST_RETRY_AFTER = 24 * 3600
REMEMBERED = 32_000_000  # bytes of answers kept for the sake of their ETag
_LONGEST_HEADER = 200  # characters of a header that is read; the client bounds all headers to 100 kB
_ENDED_AT_ONCE = 1e-3  # seconds: what is left after the deadline, so that the loop ends what was begun

T = TypeVar("T")


class UnavailableError(ApodError):
    """NASA cannot be reached or will not answer now. `retry_at`: when to ask again, in seconds since 1970."""

    def __init__(self, sentence: str, retry_at: float) -> None:
        super().__init__(sentence)
        self.retry_at = retry_at


class NotThereError(ApodError):
    """NASA has nothing at this address."""


class _PassingError(Exception):
    """A failure that may pass. `pause`: seconds that the host asked for; `again`: whether to try at once again."""

    def __init__(self, what: str, pause: float | None = None, again: bool = True) -> None:
        super().__init__(what)
        self.pause = pause
        self.again = again


@dataclass(frozen=True)
class _Seen:
    """An answer, and the headers that ask whether it has changed."""

    conditions: dict[str, str]
    body: bytes


class Fetcher:
    """Gets addresses of NASA's hosts, and of the host of `home`, one at a time. Threads may share it."""

    def __init__(
        self, home: str, sleep: Callable[[float], None] = time.sleep, now: Callable[[], float] = time.time
    ) -> None:
        """`home` is the interface's address; `sleep` and `now` are the clock, which tests replace."""
        self._home = addresses.parse(home)
        self._sleep, self._now = sleep, now
        self._tls = httpx2.create_ssl_context()
        self._one_at_a_time = threading.Lock()
        self._closed_until: dict[str, float] = {}
        self._failures: Counter[str] = Counter()
        self._seen: dict[str, _Seen] = {}

    def get(self, url: str, most_bytes: int, remember: bool = False) -> bytes:
        """Get an address within DEADLINE. `remember`: keep the answer, and ask the next time whether it has changed.

        Raises NotThereError, RefusedError or UnavailableError.
        """
        deadline = time.monotonic() + DEADLINE
        address = addresses.parse(url)
        self._check(address)
        if not self._one_at_a_time.acquire(timeout=DEADLINE):
            raise UnavailableError("NASA is being asked for other pictures", self._now() + FIRST_PAUSE)
        try:
            return self._patiently(address, most_bytes, remember, deadline)
        finally:
            self._one_at_a_time.release()

    def _patiently(self, address: httpx2.URL, most_bytes: int, remember: bool, deadline: float) -> bytes:
        host = address.netloc.decode("ascii")
        if (reopens := self._closed_until.get(host, 0)) > self._now():
            raise UnavailableError(f"{_name(host)} asked for, or needs, a pause", reopens)
        failure = _PassingError("was not asked")
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(2**attempt)
            try:
                body = _run(self._within(deadline, address, most_bytes, remember))
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
            pause = min(FIRST_PAUSE * 2 ** min(self._failures[host], 10), LONGEST_PAUSE)
        self._failures[host] += 1
        self._closed_until[host] = self._now() + pause
        return UnavailableError(f"{_name(host)} {failure}", self._closed_until[host])

    async def _within(self, deadline: float, address: httpx2.URL, most_bytes: int, remember: bool) -> bytes:
        """Follow an address until the deadline, which closes the connection, whatever it waits for."""
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), _ENDED_AT_ONCE)):
                return await self._follow(address, most_bytes, remember)
        except TimeoutError as error:
            raise _PassingError("is too slow", again=False) from error
        except httpx2.TimeoutException as error:
            raise _PassingError("did not answer in time") from error
        except (httpx2.HTTPError, OSError, ValueError, zlib.error) as error:
            raise _PassingError("cannot be reached or broke off") from error

    async def _follow(self, address: httpx2.URL, most_bytes: int, remember: bool) -> bytes:
        """Make one request, and check each redirect before it is followed."""
        for _ in range(REDIRECTS + 1):
            self._check(address)
            async with self._answer(address) as response:
                if not response.has_redirect_location:
                    return await self._take(address, response, most_bytes, remember)
                address = addresses.parse(response.headers["Location"], address)
        raise RefusedError("the address leads from redirect to redirect")

    def _check(self, address: httpx2.URL) -> None:
        """Raise RefusedError unless an address is on a host that we trust."""
        if not addresses.is_nasa(address) and not addresses.is_same_site(address, self._home):
            where = f"{address.scheme}://{address.netloc.decode('ascii')}"[:_LONGEST_HEADER]
            raise RefusedError(f"the address leads to {where}, which is not NASA's")

    @asynccontextmanager
    async def _answer(self, address: httpx2.URL) -> AsyncIterator[httpx2.Response]:
        """Ask for an address. The transport alone keeps no cookies, follows nothing and unpacks nothing."""
        proxy = None if proxy_bypass(address.host) else getproxies().get(address.scheme)
        async with httpx2.AsyncHTTPTransport(verify=self._tls, proxy=httpx2.Proxy(proxy) if proxy else None) as way:
            response = await self._first_that_connects(way, await self._requests(address, through_proxy=bool(proxy)))
            try:
                yield response
            finally:
                await response.aclose()

    async def _requests(self, address: httpx2.URL, through_proxy: bool) -> list[httpx2.Request]:
        """Write the request to each IP address that was looked up and checked: nothing looks the name up again.

        A proxy looks names up for us, and `home` may be inside a private network.
        """
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"} | self._conditions(address)
        extensions = {"timeout": TIMEOUT.as_dict()}
        if through_proxy or not addresses.is_nasa(address):
            return [httpx2.Request("GET", address, headers=headers, extensions=extensions)]
        headers["Host"], extensions["sni_hostname"] = address.host, address.host  # type: ignore[assignment]
        return [
            httpx2.Request("GET", address.copy_with(host=ip), headers=headers, extensions=extensions)
            for ip in await addresses.public_addresses(address.host)
        ]

    async def _first_that_connects(
        self, way: httpx2.AsyncHTTPTransport, requests: list[httpx2.Request]
    ) -> httpx2.Response:
        for request in requests[:-1]:
            try:
                return await way.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await way.handle_async_request(requests[-1])

    def _conditions(self, address: httpx2.URL) -> dict[str, str]:
        seen = self._seen.get(str(address))
        return seen.conditions if seen else {}

    async def _take(self, address: httpx2.URL, response: httpx2.Response, most_bytes: int, remember: bool) -> bytes:
        seen = self._seen.get(str(address))
        if response.status_code == 304 and seen:
            return seen.body
        if response.status_code in (400, 404, 410):
            raise NotThereError(f"NASA has nothing there (it answered {response.status_code})")
        if response.status_code != 200:
            pause = self._retry_after(response.headers.get("Retry-After"))
            raise _PassingError(
                f"answered {response.status_code}", pause, again=response.status_code >= 500 and not pause
            )
        body = await _body(response, most_bytes)
        if remember:
            self._remember(str(address), response, body)
        return body

    def _remember(self, url: str, response: httpx2.Response, body: bytes) -> None:
        pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
        told = {ask: response.headers.get(name, "") for ask, name in pairs}
        conditions = {ask: value for ask, value in told.items() if value.isascii() and 0 < len(value) < _LONGEST_HEADER}
        self._seen.pop(url, None)
        if conditions:
            self._seen[url] = _Seen(conditions, body)
        while sum(len(seen.body) for seen in self._seen.values()) > REMEMBERED:
            del self._seen[next(iter(self._seen))]

    def _retry_after(self, header: str | None) -> float | None:
        """Seconds to wait that a Retry-After header asks for, as a number or a date; None if it says neither."""
        if header is None or len(header) > _LONGEST_HEADER:
            return None
        try:
            seconds = float(header) if header.strip().isdecimal() else self._until(parsedate_to_datetime(header))
        except (ValueError, OverflowError):
            return None
        return min(max(seconds, 1.0), LONGEST_RETRY_AFTER)

    def _until(self, moment: datetime) -> float:
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - self._now()


async def _body(response: httpx2.Response, most_bytes: int) -> bytes:
    """Read an answer, unpacked as it comes: a few bytes may unpack to gigabytes."""
    unpack, body = _unpacker(response.headers.get("Content-Encoding", "")), bytearray()
    async for piece in response.aiter_raw():
        body += unpack.decompress(piece, most_bytes + 1 - len(body)) if unpack else piece
        if len(body) > most_bytes:
            raise RefusedError(f"the answer is larger than {most_bytes / 1e6:.0f} MB")
    if unpack and not unpack.eof:
        raise _PassingError("broke off")
    return bytes(body)


def _unpacker(encoding: str) -> "zlib._Decompress | None":
    if encoding.strip().lower() in ("", "identity"):
        return None
    if encoding.strip().lower() != "gzip":
        raise RefusedError("the answer is compressed in a way that was not asked for")
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


def _run(coroutine: Coroutine[None, None, T]) -> T:
    """Run a coroutine in the loop of all requests, and wait for it."""
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """Start the loop of all requests. It never ends: `asyncio.run` would wait for a lookup that hangs."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="requests to NASA").start()
    return loop


def _name(host: str) -> str:
    return "NASA" if host.endswith("nasa.gov") else f"NASA's interface at {host}"
