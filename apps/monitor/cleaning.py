"""NASA's HTML made safe: links are kept, everything else becomes text."""

import html
import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import nh3

ARCHIVE = "https://apod.nasa.gov/apod/"  # what the relative links in old explanations are relative to


def text(markup: str) -> str:
    """Plain text: no tags, entities resolved, runs of white space made one space."""
    bare = nh3.clean(_with_spaces(markup), tags=set())
    return " ".join(html.unescape(bare).split())


def links(markup: str) -> str:
    """HTML whose only tags are links to web addresses, which open in a new tab."""
    cleaned = nh3.clean(
        _with_spaces(markup),
        tags={"a"},
        attributes={"a": {"href"}},
        url_schemes={"http", "https"},
        url_relative=("rewrite_with_base", ARCHIVE),
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return " ".join(cleaned.split())


def explanation(markup: str) -> str:
    """The explanation itself, as `links` gives it: without its heading, and without the housekeeping after it."""
    body = re.split(r"<br\s*/?>\s*<br\s*/?>", markup, maxsplit=1, flags=re.IGNORECASE)[0]
    return re.sub(r"^\s*Explanation:\s*", "", links(body))


def web_address(value: object, base: str = "") -> str:
    """`value`, seen from `base`, if that is an address on the web; else nothing."""
    try:
        parts = urlsplit(urljoin(base, value)) if isinstance(value, str) else urlsplit("")
    except ValueError:  # such as https://[
        return ""
    return parts.geturl() if parts.scheme in ("http", "https") and parts.hostname else ""


def embedded(markup: str) -> str | None:
    """The web address of the first video or frame in a page, or None."""
    finder = _EmbeddedFinder()
    finder.feed(markup)
    return finder.address


class _EmbeddedFinder(HTMLParser):
    address: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        source = dict(attrs).get("src")
        if self.address is None and source and tag in ("iframe", "video", "source"):
            self.address = web_address(source, ARCHIVE) or None


def _with_spaces(markup: str) -> str:
    """Blocks and line breaks stand between words; without them the words would run together."""
    return re.sub(r"<(?:br|/?p|/?div|/?li)\b[^<>]*>", " ", markup, flags=re.IGNORECASE)
