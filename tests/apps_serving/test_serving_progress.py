"""Estimates of the time that a job still needs."""

import math

import pytest

from apps.serving.progress import RemainingTime, in_words


@pytest.mark.parametrize("decoding", [0.0, 2.5, 30.0])
def test_the_estimate_is_true_after_a_tenth_although_nothing_is_done_at_first(decoding: float) -> None:
    remaining, working, windows = RemainingTime(), 40.0, 32
    assert math.isinf(remaining.left(0.0, decoding))
    for done in range(1, windows + 1):
        share = done / windows
        left = remaining.left(share, decoding + share * working)
        if share >= 0.1:
            assert left == pytest.approx((1 - share) * working, rel=0.1, abs=1)


def test_one_who_joins_later_gets_an_estimate_at_once() -> None:
    assert RemainingTime().left(0.5, 20.0) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "a few seconds"), (11, "about 10 s"), (50, "about 50 s"), (100, "about 2 min"), (7000, "about 2 h")],
)
def test_times_are_said_as_a_person_would(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
