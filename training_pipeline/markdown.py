"""Texts of others in Markdown: titles and authors of photos, names in a model's metadata.

They stay on their line and show their own characters, so that none adds a heading, a link, a picture or HTML to a card.
"""

import re

MOST_CHARACTERS = 200  # of a title or a name

_ACTIVE = re.compile(
    r"""[\\`*\[\]<>|~$@]
    | (?<![^\W_])_ | _(?![^\W_])  # within a word, an underscore is a character as any other
    | &(?=\#?\w+;)
    | ^[#+-]  # headings and lists
    | :(?=//) | (?<=www)\.  # addresses become links""",
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER = re.compile(r"^\d+(?=[.)](?: |$))")  # of a list


def one_line(text: str) -> str:
    """Return a text in one line of at most `MOST_CHARACTERS`, without control and formatting characters."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return line if len(line) <= MOST_CHARACTERS else f"{line[: MOST_CHARACTERS - 1]}…"


def literal(text: str) -> str:
    """Escape a line of text, so that Markdown shows it as it is."""
    return _NUMBER.sub(r"\g<0>\\", _ACTIVE.sub(r"\\\g<0>", " ".join(text.split())))
