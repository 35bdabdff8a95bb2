"""The model card: its description of the networks, and texts of others in it."""

import csv
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from ensemble_pipeline import card
from ensemble_pipeline.card import description, model_card
from feature_pipeline.attribution import HEADER
from support.models import write_tiny_model
from training_pipeline.sizes import architecture
from upscaler.model import artifact
from upscaler.model.artifact import ATTRIBUTION, Member, ModelConfig
from upscaler.model.learned import Learned


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
    return model_card("v1", config, measured, Path("nowhere"), None, Learned.of({}))


def test_texts_of_others_add_nothing_to_the_card() -> None:
    evil = "a\n\n## Licence\nMIT [link](http://a.example) ![](http://b.example) <img src=//c.example> <!-- | a\n- b"
    assert shape(card_with(evil)) == shape(card_with("a"))


@pytest.mark.parametrize(
    ("trained", "of_jpegs", "photos"),
    [
        ("ab", "", "each photo"),
        ("abcd", "", "2 of the 4 photos"),
        ("ab", "be", "2 of the 3 photos"),
        ("abf", "", "2 of the 3 photos"),
        (None, "", "the photos in it"),
        ("ab", None, "the photos in it"),
    ],
    ids=["all", "another part", "JPEG network", "without a credit", "not recorded", "JPEG network not recorded"],
)
def test_the_photos_that_have_credits_are_counted(
    tmp_path: Path, trained: str | None, of_jpegs: str | None, photos: str
) -> None:
    jpegs = write_tiny_model(tmp_path / "jpegs", learned=_learned(of_jpegs)) if of_jpegs != "" else None
    model = write_tiny_model(tmp_path / "model", jpeg_model=jpegs, learned=_learned(trained))
    with (model / ATTRIBUTION).open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *([name, 1, "CC0", "", "", "", ""] for name in "abx"), ["f", 1, *[""] * 5]])
    text = card.of(artifact.read(model), "model")
    assert f"`ATTRIBUTION.csv`, beside the weights, gives the licence, and the author if known, of {photos}." in text


def _learned(pictures: str | None) -> Learned | None:
    return None if pictures is None else Learned.of(dict.fromkeys(pictures, ()))
