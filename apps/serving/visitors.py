"""Visitors, told apart by their network address."""

import ipaddress
from collections.abc import Mapping

_IPV6_HOME = 64  # bits that the devices of one home share

# What a proxy says of a request; without one in front, anybody could say it.
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix")


def address_of(peer: str, headers: Mapping[str, str], behind_proxy: bool) -> str:
    """Find the address of a visitor: the peer's, or the last public one that the proxy in front names.

    An IPv6 address counts as its network of 64 bits, of which one visitor has all.
    """
    named = headers.get("x-forwarded-for", "").split(",")[-10:] if behind_proxy else []
    for text in (*reversed(named), peer):
        try:
            address = ipaddress.ip_address(text.strip())
        except ValueError:
            continue
        if text is peer or address.is_global:
            return _home(address)
    return peer


def _home(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        if mapped := address.ipv4_mapped:
            return str(mapped)
        return str(ipaddress.ip_network((address, _IPV6_HOME), strict=False).network_address)
    return str(address)
