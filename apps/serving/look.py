"""Look of both pages: theme, styles and scripts."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from apps.serving.gradio_api import gr
from apps.serving.viewer.markup import script as viewer_script

_HERE = Path(__file__).parent

# System fonts: the default theme asks another host for its own.
_THEME = gr.themes.Default(
    primary_hue="indigo", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
).set(
    button_primary_background_fill="*primary_600",  # white on it has the contrast that WCAG asks for
    button_primary_background_fill_dark="*primary_600",
    button_cancel_background_fill="#b91c1c",
    body_text_color_subdued="*neutral_600",
)


def look(app: Path) -> dict[str, Any]:
    """Return Gradio's options for an app's page: theme, and styles and scripts, shared ones and its own."""
    scripts = (_text([_HERE / "look.js"]), viewer_script(), _text(_own(app, "js")))
    return {
        "theme": _THEME,
        "css_paths": [_HERE / "look.css", *_own(app, "css")],
        "head": "".join(f'<script type="module">{script}</script>' for script in scripts),
    }


def _own(app: Path, kind: str) -> list[Path]:
    return sorted([*app.glob(f"*.{kind}"), *app.glob(f"page/*.{kind}")])


def _text(scripts: Iterable[Path]) -> str:
    return "".join(script.read_text(encoding="utf-8") for script in scripts)
