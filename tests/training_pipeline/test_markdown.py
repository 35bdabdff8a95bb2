"""Texts of others in Markdown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from training_pipeline.markdown import MOST_CHARACTERS, literal, one_line

RENDERER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PIECES = [
    *r"\`*_{}[]()<>#+-=.!|~$&:;@/ ab1é",
    "](x)",
    "<b>",
    "&lt;",
    "1. ",
    "    ",
    "--",
    "~~",
    "http://",
    "\n\n# ",
    "\r",
]


@pytest.mark.parametrize("frame", ["From the top: {}", "- {}", "| a |\n|---|\n| {} |"])
@given(text=st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join))
def test_a_text_shows_its_own_characters_and_nothing_else(frame: str, text: str) -> None:
    shown = " ".join(text.split()) or "a"
    with_text, with_word = (RENDERER.parse(frame.format(inside)) for inside in (literal(shown), "word"))
    assert [token.type for token in with_text] == [token.type for token in with_word]
    *_, inline = (token for token in with_text if token.type == "inline")
    (token,) = inline.children or []
    assert (token.type, token.content.removeprefix("From the top: ")) == ("text", shown)


@pytest.mark.parametrize(
    "name", ["train_0", "v1, first 2 pictures", "Tom & Jerry: a film (1965)", "2.14.0+cu128", "#1"]
)
def test_names_stay_readable(name: str) -> None:
    assert literal(name).replace("\\#", "#") == name


def test_addresses_are_no_links() -> None:
    assert literal("https://a.example www.a.example ada@a.example") == (
        r"https\://a.example www\.a.example ada\@a.example"
    )


def test_a_text_is_one_bounded_line_without_invisible_characters() -> None:
    assert one_line("a\r\n\u2028b\x00\u202ec\ud800 \u00a0d") == "a b c d"
    assert one_line("é" * MOST_CHARACTERS) == "é" * MOST_CHARACTERS
    assert one_line("é" * 10**5) == "é" * (MOST_CHARACTERS - 1) + "…"
