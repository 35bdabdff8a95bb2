"""Visitors, told apart by their network address."""

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MOST_NAMED = 10  # addresses that are looked at, from the last
_IPV6_HOME = 64  # bits that the devices of one home share

# What a proxy says of a request; without one in front, anybody could say it.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix")


def address_of(peer: str, forwarded: Sequence[str]) -> str:
    """Find the address of a visitor: the last public one that the proxy in front names, or the peer's.

    `forwarded`: the lines of X-Forwarded-For, none if there is no proxy. An IPv6 address counts as its network of 64
    bits, of which one visitor has all.
    """
    for text in reversed(",".join(forwarded).split(",")[-_MOST_NAMED:]):
        address = _parsed(text.strip())
        if address and address.is_global:
            return _home(address)
    return home(peer)


def home(address: str) -> str:
    """Return what a visitor cannot change of an address; one that is none stays as it is."""
    parsed = _parsed(address)
    return _home(parsed) if parsed else address


def _parsed(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _home(address: Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        if mapped := address.ipv4_mapped:
            return str(mapped)
        return str(ipaddress.ip_network((address, _IPV6_HOME), strict=False).network_address)
    return str(address)
