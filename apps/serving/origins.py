"""Hosts and origins: a foreign web page, or a name that was bound to this address, must not reach the app."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from apps.serving.refusal import RequestRefusedError

_EVERY = "*"


def check_host(headers: Mapping[str, str], allowed: frozenset[str]) -> None:
    """Refuse a request to a host that is not ours, as after DNS rebinding.

    An IP address cannot be rebound, so any is taken, and so are `localhost` and what lies below it.
    """
    host = _host_of(f"//{headers.get('host', '')}")
    if not (_EVERY in allowed or host in allowed or is_local(host)):
        raise RequestRefusedError(421, f"this app does not serve {host[:100]!r}; add the name to ALLOWED_HOSTS")


def check_origin(headers: Mapping[str, str], allowed: frozenset[str]) -> None:
    """Refuse a request that another site's page makes."""
    origin = headers.get("origin")
    if origin is not None:
        foreign = origin.partition("://")[2] != headers.get("host") and _host_of(origin) not in allowed
    else:
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if foreign:
        raise RequestRefusedError(403, "this request comes from another site's page; open the app itself")


def _host_of(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_local(host: str) -> bool:
    """Return True for an IP address, for `localhost` and for what lies below it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
