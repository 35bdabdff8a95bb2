"""Sanitising of NASA's HTML: links are kept, everything else becomes text.

Only nh3 parses the markup: it takes milliseconds on input for which regular expressions took minutes.
"""

import html
from urllib.parse import urljoin, urlsplit

import nh3

ARCHIVE = "https://apod.nasa.gov/apod/"  # base of relative links in old explanations
LONGEST_ADDRESS = 2000  # characters
_BLOCKS = ("br", "div", "li", "p")
_PARAGRAPHS = "<br><br>"


def text(markup: str) -> str:
    """Return plain text: tags removed, entities decoded, white space collapsed."""
    bare = _without_blocks(nh3.clean(markup, tags=set(_BLOCKS), attributes={}))
    return " ".join(html.unescape(bare).split())


def links(markup: str) -> str:
    """Return HTML with no tags but links to web addresses, which open in a new tab."""
    return " ".join(_without_blocks(_links_and_blocks(markup)).split())


def explanation(markup: str) -> str:
    """Return the explanation as `links` does, without its heading and the notices after it."""
    lines = " ".join(_links_and_blocks(markup).split()).replace("<br> <br>", _PARAGRAPHS)
    return links(lines.partition(_PARAGRAPHS)[0]).removeprefix("Explanation:").lstrip()


def web_address(value: object, base: str = "") -> str:
    """Return the URL `value`, relative to `base`, if it is a web address; else an empty string."""
    if not isinstance(value, str) or len(value) > LONGEST_ADDRESS:
        return ""
    try:
        parts = urlsplit(urljoin(base, value))
    except ValueError:  # such as https://[
        return ""
    return parts.geturl() if parts.scheme in ("http", "https") and parts.hostname else ""


def embedded(markup: str) -> str | None:
    """Return the web address of the first video or frame in a page, or None."""
    found: list[str] = []

    def find(_tag: str, _attribute: str, value: str) -> None:
        if not found and (address := web_address(value, ARCHIVE)):
            found.append(address)

    tags = {"iframe", "source", "video"}
    nh3.clean(markup, tags=tags, attributes={tag: {"src"} for tag in tags}, attribute_filter=find)
    return found[0] if found else None


def _links_and_blocks(markup: str) -> str:
    return nh3.clean(
        markup,
        tags={"a", *_BLOCKS},
        attributes={"a": {"href"}},
        attribute_filter=_web_addresses_only,
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )


def _web_addresses_only(_tag: str, attribute: str, value: str) -> str | None:
    return value if attribute != "href" else web_address(value, ARCHIVE) or None


def _without_blocks(cleaned: str) -> str:
    """Replace block tags by spaces, so that words do not run together."""
    for tag in _BLOCKS:
        cleaned = cleaned.replace(f"<{tag}>", " ").replace(f"</{tag}>", " ")
    return cleaned
