"""HTTP client for NASA's hosts with checked addresses, limited response sizes, back-off and one deadline."""

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
TIMEOUT = httpx2.Timeout(30, connect=10)  # seconds without data
DEADLINE = 300.0  # seconds for a whole `get`: queueing, lookups, connections, redirects, responses and retries
ATTEMPTS = 3
REDIRECTS = 5
FIRST_PAUSE, LONGEST_PAUSE = 60, 3600  # seconds of exponential back-off after a host failed
LONGEST_RETRY_AFTER = 24 * 3600
CACHE_BYTES = 32_000_000  # bytes of responses cached for revalidation by ETag
_LONGEST_HEADER = 200  # characters of a header that is used; the client limits all headers to 100 kB
_MIN_TIMEOUT = 1e-3  # seconds; a positive timeout lets the loop cancel the request after the deadline

T = TypeVar("T")


class UnavailableError(ApodError):
    """Error for a host that cannot be reached or must not be asked now. retry_at: seconds since 1970."""

    def __init__(self, sentence: str, retry_at: float) -> None:
        super().__init__(sentence)
        self.retry_at = retry_at


class NotThereError(ApodError):
    """Error for an address at which NASA has nothing."""


class _TemporaryError(Exception):
    """Temporary failure. pause: seconds requested by the host. retry: True if worth retrying at once."""

    def __init__(self, predicate: str, pause: float | None = None, retry: bool = True) -> None:
        super().__init__(predicate)
        self.pause = pause
        self.retry = retry


@dataclass(frozen=True)
class _CachedResponse:
    """A response with the request headers that revalidate it."""

    conditions: dict[str, str]
    body: bytes


class Fetcher:
    """HTTP client for NASA's hosts and the host of `home`, one request at a time; thread-safe."""

    def __init__(
        self, home: str, sleep: Callable[[float], None] = time.sleep, now: Callable[[], float] = time.time
    ) -> None:
        """Set `home`, the API's address, and the clock, `sleep` and `now`, which tests replace."""
        self._home = addresses.parse(home)
        self._sleep, self._now = sleep, now
        self._tls = httpx2.create_ssl_context()
        self._one_at_a_time = threading.Lock()
        self._closed_until: dict[str, float] = {}
        self._asked_for_pause: set[str] = set()  # hosts that are closed because they sent Retry-After
        self._failures: Counter[str] = Counter()
        self._cached: dict[str, _CachedResponse] = {}

    def end_back_off(self) -> None:
        """Allow the next request to each host at once, except to those that asked for a pause."""
        for host in self._closed_until.keys() - self._asked_for_pause:
            self._closed_until.pop(host, None)

    def get(self, url: str, most_bytes: int, remember: bool = False) -> bytes:
        """Get an address within DEADLINE. remember: cache the response and revalidate it the next time.

        Raises NotThereError, RefusedError or UnavailableError.
        """
        deadline = time.monotonic() + DEADLINE
        address = addresses.parse(url)
        self._check(address)
        if not self._one_at_a_time.acquire(timeout=DEADLINE):
            raise UnavailableError("NASA is being asked for other pictures", self._now() + FIRST_PAUSE)
        try:
            return self._get_with_retries(address, most_bytes, remember, deadline)
        finally:
            self._one_at_a_time.release()

    def _get_with_retries(self, address: httpx2.URL, most_bytes: int, remember: bool, deadline: float) -> bytes:
        host = address.netloc.decode("ascii")
        if (reopens := self._closed_until.get(host, 0)) > self._now():
            reason = "asked for a pause" if host in self._asked_for_pause else "did not answer lately"
            raise UnavailableError(f"{_name(host)} {reason}", reopens)
        failure = _TemporaryError("was not asked")
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(2**attempt)
            try:
                body = _run(self._within(deadline, address, most_bytes, remember))
            except _TemporaryError as error:
                failure = error
                if not failure.retry:
                    break
            else:
                self._failures.pop(host, None)
                return body
        raise self._close(host, failure)

    def _close(self, host: str, failure: _TemporaryError) -> UnavailableError:
        """Back off from a host for the time that it requested, or twice as long as the last time."""
        self._asked_for_pause.discard(host)
        if (pause := failure.pause) is not None:
            self._asked_for_pause.add(host)
        else:
            pause = min(FIRST_PAUSE * 2 ** min(self._failures[host], 10), LONGEST_PAUSE)
        self._failures[host] += 1
        self._closed_until[host] = self._now() + pause
        return UnavailableError(f"{_name(host)} {failure}", self._closed_until[host])

    async def _within(self, deadline: float, address: httpx2.URL, most_bytes: int, remember: bool) -> bytes:
        """Follow an address until the deadline, which closes the connection in any state."""
        try:
            async with asyncio.timeout(max(deadline - time.monotonic(), _MIN_TIMEOUT)):
                return await self._follow(address, most_bytes, remember)
        except TimeoutError as error:
            raise _TemporaryError("is too slow", retry=False) from error
        except httpx2.TimeoutException as error:
            raise _TemporaryError("did not answer in time") from error
        except (httpx2.HTTPError, OSError, ValueError, zlib.error) as error:
            raise _TemporaryError("cannot be reached or broke off") from error

    async def _follow(self, address: httpx2.URL, most_bytes: int, remember: bool) -> bytes:
        """Make a request, checking each redirect before following it."""
        for _ in range(REDIRECTS + 1):
            self._check(address)
            async with self._answer(address) as response:
                if not response.has_redirect_location:
                    return await self._take(address, response, most_bytes, remember)
                address = addresses.parse(response.headers["Location"], address)
        raise RefusedError("the address leads from redirect to redirect")

    def _check(self, address: httpx2.URL) -> None:
        """Raise RefusedError unless an address is on a trusted host."""
        if not addresses.is_nasa(address) and not addresses.is_same_site(address, self._home):
            where = f"{address.scheme}://{address.netloc.decode('ascii')}"[:_LONGEST_HEADER]
            raise RefusedError(f"the address leads to {where}, which is not NASA's")

    @asynccontextmanager
    async def _answer(self, address: httpx2.URL) -> AsyncIterator[httpx2.Response]:
        """Request an address. The bare transport keeps no cookies, follows no redirects and decompresses nothing."""
        proxy = None if proxy_bypass(address.host) else getproxies().get(address.scheme)
        async with httpx2.AsyncHTTPTransport(
            verify=self._tls, proxy=httpx2.Proxy(proxy) if proxy else None
        ) as transport:
            requests = await self._requests(address, through_proxy=bool(proxy))
            response = await self._first_that_connects(transport, requests)
            try:
                yield response
            finally:
                await response.aclose()

    async def _requests(self, address: httpx2.URL, through_proxy: bool) -> list[httpx2.Request]:
        """Build a request for each checked IP address of the host, so that no second lookup can give another one.

        A proxy resolves names itself, and `home` may be inside a private network.
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
        self, transport: httpx2.AsyncHTTPTransport, requests: list[httpx2.Request]
    ) -> httpx2.Response:
        for request in requests[:-1]:
            try:
                return await transport.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await transport.handle_async_request(requests[-1])

    def _conditions(self, address: httpx2.URL) -> dict[str, str]:
        cached = self._cached.get(str(address))
        return cached.conditions if cached else {}

    async def _take(self, address: httpx2.URL, response: httpx2.Response, most_bytes: int, remember: bool) -> bytes:
        cached = self._cached.get(str(address))
        if response.status_code == 304 and cached:
            return cached.body
        if response.status_code in (400, 404, 410):
            raise NotThereError(f"NASA has nothing there (it answered {response.status_code})")
        if response.status_code != 200:
            pause = self._retry_after(response.headers.get("Retry-After"))
            raise _TemporaryError(
                f"answered {response.status_code}", pause, retry=response.status_code >= 500 and not pause
            )
        body = await _body(response, most_bytes)
        if remember:
            self._remember(str(address), response, body)
        return body

    def _remember(self, url: str, response: httpx2.Response, body: bytes) -> None:
        pairs = (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified"))
        validators = {condition: response.headers.get(name, "") for condition, name in pairs}
        conditions = {
            condition: value
            for condition, value in validators.items()
            if value.isascii() and 0 < len(value) < _LONGEST_HEADER
        }
        self._cached.pop(url, None)
        if conditions:
            self._cached[url] = _CachedResponse(conditions, body)
        while sum(len(cached.body) for cached in self._cached.values()) > CACHE_BYTES:
            del self._cached[next(iter(self._cached))]

    def _retry_after(self, header: str | None) -> float | None:
        """Return the seconds to wait from a Retry-After header, a number or a date; None for any other value."""
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
    """Read a response, decompressing it incrementally: a few bytes may expand to gigabytes."""
    decompressor, body = _decompressor(response.headers.get("Content-Encoding", "")), bytearray()
    async for piece in response.aiter_raw():
        body += decompressor.decompress(piece, most_bytes + 1 - len(body)) if decompressor else piece
        if len(body) > most_bytes:
            raise RefusedError(f"the answer is larger than {most_bytes / 1e6:.0f} MB")
        if decompressor and decompressor.eof:
            break  # it would keep what follows, without a bound
    if decompressor and not decompressor.eof:
        raise _TemporaryError("broke off")
    return bytes(body)


def _decompressor(encoding: str) -> "zlib._Decompress | None":
    if encoding.strip().lower() in ("", "identity"):
        return None
    if encoding.strip().lower() != "gzip":
        raise RefusedError(f"the answer has the unsupported encoding {encoding[:_LONGEST_HEADER]!r}")
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


def _run(coroutine: Coroutine[None, None, T]) -> T:
    """Run a coroutine in the event loop of all requests and wait for its result."""
    return asyncio.run_coroutine_threadsafe(coroutine, _loop()).result()


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """Start the event loop of all requests. It never ends: `asyncio.run` would wait for a hanging lookup."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name="requests to NASA").start()
    return loop


def _name(host: str) -> str:
    return "NASA" if host.endswith("nasa.gov") else f"NASA's interface at {host}"
