"""Host and Origin checks against DNS rebinding and cross-site requests."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from apps.serving.refusal import RequestRefusedError

_ANY_HOST = "*"


def check_host(headers: Mapping[str, str], allowed: frozenset[str]) -> None:
    """Refuse a request to a host that is not allowed, as after DNS rebinding.

    IP addresses cannot be rebound and are allowed, as are `localhost` and its subdomains.
    """
    host = _host_of(f"//{headers.get('host', '')}")
    if not (_ANY_HOST in allowed or host in allowed or is_local(host)):
        raise RequestRefusedError(421, f"this app does not serve {host[:100]!r}; add the name to ALLOWED_HOSTS")


def check_origin(headers: Mapping[str, str], allowed: frozenset[str]) -> None:
    """Refuse a cross-site request."""
    origin = headers.get("origin")
    if origin is not None:
        foreign = origin.partition("://")[2] != headers.get("host") and _host_of(origin) not in allowed
    else:
        foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    if foreign:
        raise RequestRefusedError(403, "this request comes from another site; open the app itself")


def _host_of(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_local(host: str) -> bool:
    """Return True for an IP address, `localhost` or a subdomain of it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
