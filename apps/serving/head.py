"""Head of the page as search engines and messengers read it; Gradio's own advertises Gradio."""

import html
import re
from pathlib import Path

from gradio.routes import templates
from jinja2 import ChoiceLoader, DictLoader

CARD = Path(__file__).parent / "card.jpg"
ICON = Path(__file__).parent / "icon.svg"

_TEMPLATE = "frontend/index.html"
_GRADIOS_OWN = re.compile(r'<meta\s+(?:property="og:|name="twitter:)[^>]*>')


def describe(title: str, description: str) -> None:
    """Describe the page of this process in its head, with a card for links to it."""
    loader = templates.env.loader
    assert loader
    template, _, _ = loader.get_source(templates.env, _TEMPLATE)
    own = "".join(f'<meta {kind} content="{html.escape(text)}">' for kind, text in _facts(title, description))
    template = _GRADIOS_OWN.sub("", template).replace("<head>", f"<head>{own}{_CARD}", 1)
    templates.env.loader = ChoiceLoader([DictLoader({_TEMPLATE: template}), loader])


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
