"""URL checks against server-side request forgery: only NASA's hosts on the public internet, and the API's host."""

import asyncio
import ipaddress
import re
import socket

import httpx2

from apps.monitor.errors import ApodError

MOST_ADDRESSES = 4  # tried per host
_LONGEST = 4000  # characters
_HTTPS = 443
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_NASA = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){0,8}nasa\.gov")


class RefusedError(ApodError):
    """Error for a URL or a response that is not accepted, such as a foreign host or too many bytes."""


def parse(address: str, base: httpx2.URL | None = None) -> httpx2.URL:
    """Parse a URL, relative to `base`, with the HTTP client's parser: another parser may find another host.

    One of NASA's gets https, and a host name without the final dot. Raises RefusedError.
    """
    if len(address) > _LONGEST:
        raise RefusedError(f"the address has more than {_LONGEST} characters")
    try:
        return _secure(base.join(address) if base else httpx2.URL(address))
    except (httpx2.InvalidURL, ValueError) as error:
        raise RefusedError("the address is not a valid URL") from error


def _secure(address: httpx2.URL) -> httpx2.URL:
    host = address.raw_host.decode("ascii").removesuffix(".")
    is_plain = address.scheme in ("http", "https") and address.port is None
    return address.copy_with(scheme="https", host=host) if is_plain and _NASA.fullmatch(host) else address


def is_nasa(address: httpx2.URL) -> bool:
    """Return True for an https URL of a NASA host without user name and on the default port."""
    plain = not address.userinfo and address.port in (None, _HTTPS)
    return plain and address.scheme == "https" and bool(_NASA.fullmatch(address.raw_host.decode("ascii")))


def is_same_site(address: httpx2.URL, home: httpx2.URL) -> bool:
    """Return True if a URL differs from `home` only in path, query and fragment."""
    return all(getattr(address, part) == getattr(home, part) for part in ("scheme", "userinfo", "netloc"))


async def public_addresses(host: str) -> list[str]:
    """Resolve a host to its IP addresses, the preferred one first.

    Raises RefusedError if one of them is not public, OSError if the host has none.
    """
    lookup = asyncio.get_running_loop().getaddrinfo(host, _HTTPS, proto=socket.IPPROTO_TCP)
    found = [str(address[0]).partition("%")[0] for *_, address in await lookup]
    if not all(_is_public(address) for address in found):
        raise RefusedError(f"the address leads to {host}, which is inside a private network")
    return found[:MOST_ADDRESSES]


def _is_public(address: str) -> bool:
    """Return True for a public IP address; for IPv4 embedded in IPv6, the IPv4 address decides."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        translated = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else None
        ip = ip.ipv4_mapped or ip.sixtofour or translated or ip
    return ip.is_global and not ip.is_multicast
