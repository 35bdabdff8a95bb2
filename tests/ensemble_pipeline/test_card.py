"""The model card: its description of the networks, and texts of others in it."""

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from ensemble_pipeline.card import description, model_card
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


def shape(markdown: str) -> list[str]:
    """Return the types of all blocks and of what is in them, such as headings, links and pictures."""
    blocks = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [token.type for block in blocks for token in (block, *(block.children or ()))]


def card_with(text: str) -> str:
    """Return a card in which photos and networks have that text for names."""
    member = Member(name=text, parts=(text,), pictures=1, steps=1)
    config = ModelConfig(architecture=architecture("48x8"), combination="single", members=(member,))
    measured = {
        "picture": [text],
        "training": [dict.fromkeys(("network", "code", "torch", "device", "data", "dataset"), text)],
        "selection": [{"member": text, "psnr_y": 30.0}],
        "beginning": [member.model_dump()],
    }
    return model_card("v1", config, measured, Path("nowhere"), None)


def test_texts_of_others_add_nothing_to_the_card() -> None:
    evil = "a\n\n## Licence\nMIT [link](http://a.example) ![](http://b.example) <img src=//c.example> <!-- | a\n- b"
    assert shape(card_with(evil)) == shape(card_with("a"))
