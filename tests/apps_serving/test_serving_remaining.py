"""Time left of a job, as a visitor reads it."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.serving.progress import RemainingTime, in_words


def reports(work: float, start_up: float, noise: float, steps: int = 400) -> list[tuple[float, float]]:
    """(share, time) of a job whose speed varies by `noise`, after a start-up in which little is done."""
    draw, every = random.Random(0), work / steps
    speeds = [1 + noise * draw.uniform(-1, 1) for _ in range(steps)]
    done, given = 0.0, [(0.1 / steps, start_up)]
    for n, speed in enumerate(speeds, 1):
        done += speed
        given.append((min(done / sum(speeds), 1.0), start_up + n * every))
    return given


@given(st.floats(20, 2000), st.floats(0, 1), st.floats(0, 0.8))
def test_after_a_tenth_of_the_work_the_estimate_is_within_half(work: float, start_up: float, noise: float) -> None:
    given = reports(work, 15 * start_up, noise)
    end, remaining = given[-1][1], RemainingTime()
    for share, seconds in given:
        left = remaining.left(share, seconds)
        if share >= 0.1 and end - seconds > 5:
            assert 1 / 1.5 <= left / (end - seconds) <= 1.5, (share, left, end - seconds)


@given(st.floats(0.1, 0.9))
def test_who_joins_late_gets_the_same_estimate(joined: float) -> None:
    remaining = RemainingTime()
    for share, seconds in reports(200, 5, 0.5):
        if share > joined:
            left = remaining.left(share, seconds)
            assert left == pytest.approx(205 - seconds, rel=0.5, abs=5)


def test_the_words_start_at_three_seconds_and_change_once_a_second_at_most() -> None:
    remaining, changes = RemainingTime(), [(0.0, "")]
    for share, seconds in reports(120, 1, 0.8, steps=1200):
        if (words := remaining.words(share, seconds)) != changes[-1][1]:
            changes.append((seconds, words))
    times = [seconds for seconds, _ in changes[1:]]
    assert times[0] >= 3
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(times))
    assert len(changes) < 25
    assert changes[-1][1] == "a few seconds left"


def test_a_job_that_stands_still_has_no_estimate() -> None:
    remaining = RemainingTime()
    assert [remaining.words(0.0, seconds) for seconds in range(9)] == [""] * 9


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "a few seconds"), (9, "about 10 s"), (42, "about 40 s"), (58, "about 1 min"), (250, "about 4 min"),
     (3599, "about 1 h"), (9000, "about 2 h")],
)  # fmt: skip
def test_durations_are_written_as_a_person_says_them(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
