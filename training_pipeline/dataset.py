"""The data set that a model was trained on, as its card describes it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from feature_pipeline.manifest import ATTRIBUTION
from upscaler.model.artifact import DATA

_TITLE = "## Data and attribution\n"
_CREDITS = f"\n`{ATTRIBUTION}`, beside the weights, names author and licence of each photo.\n"


@dataclass(frozen=True)
class Dataset:
    """A data set as a model card describes it. section: Markdown. tags: `datasets` in the card's front matter."""

    name: str
    section: str
    tags: tuple[str, ...] = ()


OPEN_IMAGES = Dataset(
    "Open Images",
    _TITLE + "The photos are from [Open Images](https://storage.googleapis.com/openimages/web/index.html), which lists "
    "them as CC BY 2.0.\n",
    ("open-images",),
)
UNNAMED = Dataset("its own training data", _TITLE + "The name of the data set is not recorded.\n")


def of(folder: Path, measured: dict[str, Any]) -> Dataset:
    """Return the data set of the model in `folder`: its DATA.md, else what the manifests of its tiles named.

    DATA.md starts with the data set's name, `# NAME`; its remaining lines go into the card. Without that heading the
    whole file goes into the card, and the data set has no name. measured: the content of metrics.json.
    """
    data = _described(folder / DATA) if (folder / DATA).exists() else _recorded(measured)
    credits = _CREDITS if (folder / ATTRIBUTION).exists() else ""
    return replace(data, section=data.section + credits)


def _described(path: Path) -> Dataset:
    text = path.read_text("utf-8")
    heading, _, body = text.partition("\n")
    if not heading.startswith("# "):
        return replace(UNNAMED, section=text)
    return Dataset(heading.removeprefix("# ").strip(), _TITLE + body.lstrip("\n"))


def _recorded(measured: dict[str, Any]) -> Dataset:
    teacher = measured.get("teacher", {})
    networks = [*measured.get("training", []), *teacher.get("training", [])]
    named = {network["dataset"] for network in networks}
    return OPEN_IMAGES if named == {OPEN_IMAGES.name} else UNNAMED
