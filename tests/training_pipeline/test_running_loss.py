"""The moving mean of the losses, and when they are checked."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training_pipeline.running_loss import SMOOTHING, RunningLoss

LOSSES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20)


def add(running: RunningLoss, step: int, loss: float) -> None:
    running.add(step, torch.tensor(loss), torch.tensor(2 * loss))


def smoothed(losses: list[float]) -> float:
    mean = losses[0] if losses else math.nan
    for loss in losses[1:]:
        mean += SMOOTHING * (loss - mean)
    return mean


@given(losses=LOSSES, ahead=st.integers(0, 3))
def test_all_losses_are_checked_in_order_and_the_last_ones_late(losses: list[float], ahead: int) -> None:
    checked: list[tuple[int, float, float]] = []
    running = RunningLoss(lambda *values: checked.append(values), ahead)
    for step, loss in enumerate(losses):
        add(running, step, loss)
        assert [step for step, _, _ in checked] == list(range(step + 1 - ahead))
        assert running.mean == pytest.approx(smoothed(losses[: len(checked)]), nan_ok=True)
    assert running.read_all() == pytest.approx(smoothed(losses))
    assert checked == [(step, loss, 2 * loss) for step, loss in enumerate(losses)]


@pytest.mark.parametrize("ahead", [0, 1])
def test_a_refused_loss_is_found_before_the_state_is_read(ahead: int) -> None:
    def refuse(step: int, loss: float, norm: float) -> None:
        if not math.isfinite(loss):
            raise ValueError(f"step {step}")

    running = RunningLoss(refuse, ahead)
    add(running, 0, 0.5)
    with pytest.raises(ValueError, match="step 1"):
        add(running, 1, math.nan)
        running.read_all()
    assert running.mean == 0.5
