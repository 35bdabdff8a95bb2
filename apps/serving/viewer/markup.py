"""HTML of the viewer, and the styles and the script that the page needs for it."""

import html
from pathlib import Path

from apps.serving.viewer.comparison import TILE, Comparison

_HERE = Path(__file__).parent
_INSIDE = (_HERE / "markup.html").read_text(encoding="utf-8")

STYLES = _HERE / "viewer.css"
SCRIPT = "\n".join(  # one module, 8 kB compressed: less than five requests cost
    (_HERE / f"{name}.js").read_text(encoding="utf-8") for name in ("pyramid", "bicubic", "view", "gestures", "viewer")
)


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
    return f"<photo-comparison {attributes}>{_INSIDE}</photo-comparison>"
