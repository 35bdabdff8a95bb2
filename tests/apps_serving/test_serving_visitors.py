"""Identification of visitors by addresses that they cannot choose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.serving.visitors import address_of

PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("8.8.4.4", "8.8.4.4"),
        ("1.1.1.1, 8.8.4.4", "8.8.4.4"),  # the first is forged by the visitor
        ("8.8.4.4, 10.0.0.7", "8.8.4.4"),  # a second proxy inside the host's network
        ("8.8.4.4, ", "8.8.4.4"),
        ("8.8.4.4, [2606:4700::1]x443", PROXY),
        ("8.8.4.4, [2606:4700::1]:x", PROXY),
        ("8.8.4.4, no address", PROXY),  # the first may be forged
        ("8.8.4.4, 9.9.9.9, 10.0.0.7, unknown, 10.0.0.8", PROXY),
        ("8.8.8.8, 93.184.216.34:5123", "93.184.216.34"),
        ("8.8.8.8, [2606:4700::1]:443", "2606:4700::"),
        ("8.8.8.8, [2606:4700::1]", "2606:4700::"),
        ("8.8.4.4, 10.0.0.7:80", "8.8.4.4"),
        ("", PROXY),
        ("10.0.0.9", PROXY),
        ("2a00:1450:4001:81b::200e", "2a00:1450:4001:81b::"),
        ("::ffff:8.8.4.4", "8.8.4.4"),
    ],
)
def test_behind_a_proxy_the_last_public_address_counts(forwarded: str, address: str) -> None:
    assert address_of(PROXY, [forwarded]) == address


def test_a_forged_line_before_the_proxys_is_ignored() -> None:
    assert address_of(PROXY, ["8.8.8.8", "9.9.9.9"]) == "9.9.9.9"


@given(st.lists(st.text()))
def test_any_forwarded_text_gives_an_address(forwarded: list[str]) -> None:
    assert address_of("192.0.2.1", forwarded)


@given(st.integers(0, 2**64 - 1))
def test_an_ipv6_visitor_is_identified_by_the_network(second: int) -> None:
    address = f"2001:db8:0:1:{second >> 48:x}:{second >> 32 & 0xFFFF:x}:{second >> 16 & 0xFFFF:x}:{second & 0xFFFF:x}"
    assert address_of(address, []) == "2001:db8:0:1::"
