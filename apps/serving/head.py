"""Head of the page: facts for search engines and messengers in place of Gradio's own, and preloads for browsers."""

import html
import re
from collections.abc import Iterable
from pathlib import Path

from jinja2 import ChoiceLoader, DictLoader

from apps.serving import preloads
from apps.serving.gradio_api import templates

CARD = Path(__file__).parent / "card.jpg"
ICON = Path(__file__).parent / "icon.svg"

_TEMPLATE = "frontend/index.html"
_GRADIOS_OWN = re.compile(r'<meta\s+(?:property="og:|name="twitter:)[^>]*>')


def describe(title: str, description: str, components: Iterable[str]) -> None:
    """Describe the page of this process in its head, with a card for links to it, and preload its components."""
    loader = templates.env.loader
    assert loader
    template, _, _ = loader.get_source(templates.env, _TEMPLATE)
    own = "".join(f'<meta {kind} content="{html.escape(text)}">' for kind, text in _facts(title, description))
    template = _GRADIOS_OWN.sub("", template).replace("<head>", f"<head>{own}{_CARD}", 1)
    template = template.replace("</head>", f"{_THEME}{preloads.links(components)}</head>", 1)
    templates.env.loader = ChoiceLoader([DictLoader({_TEMPLATE: template}), loader])


_THEME = '<link rel="preload" as="style" href="./theme.css?v={{ config.theme_hash }}">'
_CARD = (
    '<meta property="og:image" content="{{ request.base_url }}card.jpg">'
    '<meta property="og:url" content="{{ request.base_url }}"><meta name="twitter:card" content="summary_large_image">'
)


def _facts(title: str, description: str) -> list[tuple[str, str]]:
    return [
        ('name="description"', description),
        ('property="og:type"', "website"),
        ('property="og:title"', title),
        ('property="og:description"', description),
    ]
