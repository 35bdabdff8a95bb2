"""The sentence of a model card that describes the networks."""

import pytest

from ensemble_pipeline.card import description
from training_pipeline.sizes import architecture
from upscaler.model.artifact import Member, ModelConfig


@pytest.mark.parametrize(
    ("size", "described"),
    [
        ("48x8", "8 layers"),
        ("48x1-residual", "1 residual block of 2 convolutions"),
        ("48x6-gated", "6 gated blocks of 3 convolutions"),
        ("48x2-gated4", "2 gated blocks of 4 convolutions"),
    ],
)
def test_blocks_are_described_with_their_convolutions(size: str, described: str) -> None:
    member = Member(name="v1", parts=("train_0",), pictures=1, steps=1)
    config = ModelConfig(architecture=architecture(size), combination="single", members=(member,))
    assert description(config, {}).endswith(f", 48 channels and {described} between the first and the last")
