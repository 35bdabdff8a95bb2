"""The training losses on pictures that differ only in luma or only in chroma."""

import pytest
import torch

from training_pipeline.config import Loss
from training_pipeline.losses import LOSSES, SHARE_OF_LUMA
from upscaler.metrics import LUMA

DARK = torch.full((2, 3, 8, 8), 0.25)


def shifted(*by: float) -> torch.Tensor:
    """Return `DARK` with the offsets `by` added to red, green and blue."""
    return DARK + torch.tensor(by)[:, None, None]


@pytest.mark.parametrize("name", LOSSES)
def test_the_further_from_the_truth_the_greater_the_loss(name: Loss) -> None:
    none, little, much = (LOSSES[name](shifted(by, by, by), DARK).item() for by in (0.0, 0.1, 0.3))
    assert none == pytest.approx(0, abs=2e-3)
    assert little == pytest.approx(0.1, rel=1e-3)
    assert much == pytest.approx(0.3, rel=1e-3)


def test_the_loss_of_luma_weighs_light_more_than_colour() -> None:
    red, green, _ = LUMA
    of_equal_light = shifted(0.3, -0.3 * red / green, 0.0)
    assert LOSSES["luma"](of_equal_light, DARK).item() == pytest.approx(
        (1 - SHARE_OF_LUMA) * LOSSES["l1"](of_equal_light, DARK).item(), rel=1e-4
    )
