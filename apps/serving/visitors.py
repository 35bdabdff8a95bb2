"""Identification of visitors by their network address."""

import ipaddress
from collections.abc import Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_MOST_FORWARDED = 10  # addresses examined, from the last
_IPV6_PREFIX = 64  # bits of one subscriber's network

# Headers set by a proxy; without one, any client could forge them
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix")


def address_of(peer: str, forwarded: Sequence[str]) -> str:
    """Return a visitor's address: the last public one in X-Forwarded-For, or the peer's.

    `forwarded`: lines of X-Forwarded-For, empty without a proxy. Entries before one that is not an address do not
    count, because the visitor may have written them. An IPv6 address is reduced to its /64 network, which one
    subscriber controls.
    """
    for text in reversed(",".join(forwarded).split(",")[-_MOST_FORWARDED:]):
        entry = text.strip()
        address = _parsed(_without_port(entry))
        if entry and not address:
            break
        if address and address.is_global:
            return _network(address)
    return network_of(peer)


def network_of(address: str) -> str:
    """Reduce an address to the part that a visitor cannot change; return other text unchanged."""
    parsed = _parsed(address)
    return _network(parsed) if parsed else address


def _without_port(entry: str) -> str:
    """Return the address of an entry to which a proxy may have added a port; "" if it is another text."""
    if entry.startswith("["):
        address, _, rest = entry[1:].partition("]")
    elif entry.count(":") == 1:
        address, _, rest = entry.partition(":")
        rest = f":{rest}"
    else:  # of IPv6 without brackets, which has no port
        address, rest = entry, ""
    return address if not rest or (rest[0] == ":" and rest[1:].isdecimal()) else ""


def _parsed(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(address: Address) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        if mapped := address.ipv4_mapped:
            return str(mapped)
        return str(ipaddress.ip_network((address, _IPV6_PREFIX), strict=False).network_address)
    return str(address)
