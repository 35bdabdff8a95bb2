"""Learning-rate schedules."""

from typing import get_args

import numpy as np
import pytest

from training_pipeline.config import Schedule
from training_pipeline.schedule import DECAY, WARM_UP, is_constant, learning_rate


@pytest.mark.parametrize("schedule", get_args(Schedule))
def test_a_schedule_warms_up_and_decays_without_a_jump(schedule: Schedule) -> None:
    rates = np.array([learning_rate(schedule, 2.0, progress) for progress in np.linspace(0, 1.01, 100_001)])
    assert rates[0] == rates[-1] == pytest.approx(0.02)
    assert rates.max() == pytest.approx(2.0)
    assert np.abs(np.diff(rates)).max() < 0.02
    rising = np.diff(rates) > 0
    assert rising[: int(0.019 * 1e5)].all()
    assert not rising[int(0.021 * 1e5) :].any()


def test_wsd_is_constant_between_warm_up_and_decay() -> None:
    places = [WARM_UP, 0.5, 1 - DECAY]
    assert {learning_rate("wsd", 2.0, progress) for progress in places} == {2.0}
    assert all(is_constant("wsd", progress) for progress in places)
    assert not any(is_constant("wsd", progress) for progress in (0.01, 0.81, 1.0))
    assert not is_constant("cosine", 0.5)
