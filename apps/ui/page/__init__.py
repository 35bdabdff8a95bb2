"""The page of the web UI: its HTML, styles and scripts."""

import html
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template

from apps.serving.bodies import MOST_FILES
from apps.serving.temporary import lifetime
from apps.ui.choices import AS_ORIGINAL, FORMATS
from upscaler.limits import DEFAULT_LIMITS
from upscaler.pictures.formats import BY_SUFFIX

_HTML = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
_REPOSITORY = "https://github.com/double-resolution/double-resolution"

DESCRIPTION = "Twice the width and height of a photo, sharper than enlarging it. Fine detail is an estimate."

_TRUST = """Worked on by this server alone, and deleted {kept} after your last visit or when you press
<em>Delete now</em>. No account, nothing counted, no other host asked.
<a href="{files}/docs/how_it_works.md">How it works</a> · <a href="{files}/docs/results.md">How good it is</a> ·
<a href="{files}/upscaler/bundled/fast/README.md">Model card</a> · <a href="{repository}">Source</a>, Apache-2.0 ·
Samples: CQ100, CC BY-SA 4.0"""


def markup(
    models: Mapping[str, str], samples: Iterable[str], greeting: str, megabytes: int, keep_seconds: float
) -> str:
    """Return the page's HTML.

    models: each model's revision and precision, by name, the default first. samples: their names. greeting: id of the
    example's batch. megabytes: limit of a file. keep_seconds: lifetime of pictures.
    """
    megapixels = (DEFAULT_LIMITS.pixels or 0) / 1e6
    limits = {"megabytes": megabytes, "mostFiles": MOST_FILES, "keepSeconds": keep_seconds}
    facts = {**limits, "greeting": greeting, "models": dict(models)}
    return _HTML.substitute(
        facts=html.escape(json.dumps(facts)),
        description=DESCRIPTION,
        accept=",".join(BY_SUFFIX),
        limits=f"Up to {MOST_FILES} at once, of {megabytes} MB and {megapixels:g} megapixels each.",
        several="" if len(models) > 1 else "hidden",
        models="".join(_radio(name, n == 0) for n, name in enumerate(models)),
        formats="".join(f"<option>{html.escape(name)}</option>" for name in (AS_ORIGINAL, *FORMATS)),
        samples="".join(map(_sample, samples)),
        trust=_TRUST.format(
            kept=lifetime(keep_seconds),
            repository=_REPOSITORY,
            files=f"{_REPOSITORY}/blob/main",
        ),
    )


def _radio(name: str, checked: bool) -> str:
    value = html.escape(name)
    return f'<label><input type="radio" name="model" value="{value}"{" checked" * checked}> {value}</label> '


def _sample(name: str) -> str:
    return (
        f'<button type="button" data-sample="{name}" aria-label="Upscale the sample: {name}">'
        f'<img src="samples/{name}" alt="" loading="lazy"></button>'
    )
