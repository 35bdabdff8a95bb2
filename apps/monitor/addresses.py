"""Addresses that may be asked: NASA's hosts on the public internet, and the interface's own host."""

import asyncio
import ipaddress
import re
import socket

import httpx2

from apps.monitor.errors import ApodError

MOST_ADDRESSES = 4  # of a host that are tried
_LONGEST = 4000  # characters
_HTTPS = 443
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052
_NASA = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){0,8}nasa\.gov")


class RefusedError(ApodError):
    """An address or an answer that is not taken: a foreign host, too many bytes."""


def parse(address: str, base: httpx2.URL | None = None) -> httpx2.URL:
    """Parse an address, relative to `base`, as the HTTP client reads it: another parser may find another host.

    Raises RefusedError.
    """
    if len(address) > _LONGEST:
        raise RefusedError(f"the address has more than {_LONGEST} characters")
    try:
        return base.join(address) if base else httpx2.URL(address)
    except (httpx2.InvalidURL, ValueError) as error:
        raise RefusedError("the address cannot be read") from error


def is_nasa(address: httpx2.URL) -> bool:
    """Return True if an address is one of NASA's hosts by https, with neither a user name nor another port."""
    plain = not address.userinfo and address.port in (None, _HTTPS)
    return plain and address.scheme == "https" and bool(_NASA.fullmatch(address.raw_host.decode("ascii")))


def is_same_site(address: httpx2.URL, home: httpx2.URL) -> bool:
    """Return True if an address differs from `home` in path, query and fragment alone."""
    return all(getattr(address, part) == getattr(home, part) for part in ("scheme", "userinfo", "netloc"))


async def public_addresses(host: str) -> list[str]:
    """Look a host up; returns its IP addresses, the preferred one first.

    Raises RefusedError if one of them is not on the public internet, or OSError if the host has none.
    """
    lookup = asyncio.get_running_loop().getaddrinfo(host, _HTTPS, proto=socket.IPPROTO_TCP)
    found = [str(address[0]).partition("%")[0] for *_, address in await lookup]
    if not all(_is_public(address) for address in found):
        raise RefusedError(f"the address leads to {host}, which is inside a private network")
    return found[:MOST_ADDRESSES]


def _is_public(address: str) -> bool:
    """Return True for an address on the public internet; of IPv4 inside IPv6, the IPv4 address counts."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        translated = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF) if ip in _NAT64 else None
        ip = ip.ipv4_mapped or ip.sixtofour or translated or ip
    return ip.is_global and not ip.is_multicast
