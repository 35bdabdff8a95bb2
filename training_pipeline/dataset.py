"""The data set that a model was trained on, as its card describes it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from upscaler.model.artifact import DATA, Artifact

DATASETS = "datasets"  # in metrics.json; older models lack it
_TITLE = "## Data and attribution\n"


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


def of(folder: Path, measured: dict[str, Any], jpeg_model: Artifact | None = None) -> Dataset:
    """Return the data set of the model in `folder`: its DATA.md, else what the manifests of all tiles named.

    DATA.md starts with the data set's name, `# NAME`; its remaining lines go into the card. Without that heading the
    whole file goes into the card, and the data set has no name. measured: the content of metrics.json. jpeg_model: the
    model's JPEG network, if it has one.
    """
    return _described(folder / DATA) if (folder / DATA).exists() else _recorded(measured, jpeg_model)


def names(measured: dict[str, Any]) -> set[str]:
    """Return the names of the data sets that networks learned from, through warm starts and teachers too.

    "" is among them if one has no name, or is not recorded. measured: the content of metrics.json.
    """
    if DATASETS in measured:
        return set(measured[DATASETS])
    teacher = measured.get("teacher", {})
    networks = [*measured.get("training", []), *teacher.get("training", [])]
    is_complete = networks and not any(record.get("beginning") for record in (measured, teacher))
    return {network.get("dataset", "") for network in networks} | (set() if is_complete else {""})


def recorded(*learned: set[str]) -> dict[str, list[str]]:
    """Return the entry in metrics.json of a model that learned from all of these data sets."""
    return {DATASETS: sorted(set().union(*learned))}


def _described(path: Path) -> Dataset:
    text = path.read_text("utf-8")
    heading, _, body = text.partition("\n")
    if not heading.startswith("# "):
        return replace(UNNAMED, section=text)
    return Dataset(heading.removeprefix("# ").strip(), _TITLE + body.lstrip("\n"))


def _recorded(measured: dict[str, Any], jpeg_model: Artifact | None) -> Dataset:
    named = names(measured) | (names(jpeg_model.metrics) if jpeg_model else set())
    return OPEN_IMAGES if named == {OPEN_IMAGES.name} else UNNAMED
