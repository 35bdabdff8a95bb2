"""HTML of the viewer, and the script that the page needs for it."""

import html
import json
from pathlib import Path

from apps.serving.viewer.comparison import TILE, Comparison

_HERE = Path(__file__).parent


def markup(comparison: Comparison, address: str) -> str:
    """Return the HTML of a viewer. address: of the folder with the tiles, without a slash at its end."""
    values = {
        "address": address,
        "suffix": comparison.suffix,
        "tile": TILE,
        "size": "{} {}".format(*comparison.size),
        "doubled-size": "{} {}".format(*comparison.doubled_size),
        "spot": "{:.4f} {:.4f}".format(*comparison.spot),
        "transparent": str(comparison.transparent).lower(),
    }
    attributes = " ".join(f'data-{name}="{html.escape(str(value))}"' for name, value in values.items())
    return f"<photo-comparison {attributes}></photo-comparison>"


def script() -> str:
    """Return the JavaScript module that defines the element: 36 kB, 11 kB compressed."""
    texts = {name: _text(f"viewer.{suffix}") for name, suffix in (("INSIDE", "html"), ("STYLES", "css"))}
    constants = [f"const {name} = {json.dumps(text)};" for name, text in texts.items()]
    files = [_text(f"{name}.js") for name in ("pyramid", "bicubic", "view", "divider", "gestures", "viewer")]
    return "\n".join([*constants, *files])


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
