"""Protection against CSV injection."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upscaler.csv_cells import harmless, original


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "'=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert harmless(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "A nebula", "'tis a comet", "a=b", "'"])
def test_plain_text_is_unchanged(cell: str) -> None:
    assert harmless(cell) == original(cell) == cell


@given(st.one_of(st.text(), st.text("'=+-@ \t\ra\uff0b")))
def test_every_text_survives_a_round_trip(cell: str) -> None:
    assert original(harmless(cell)) == cell
    assert not harmless(cell).startswith(("=", "+", "-", "@", "\t", "\r"))
