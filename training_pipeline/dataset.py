"""The data set that a model was trained on: DATA.md in the model's folder, else Open Images."""

from dataclasses import dataclass
from pathlib import Path

from upscaler.model.artifact import DATA

_TITLE = "## Data and attribution\n"


@dataclass(frozen=True)
class Dataset:
    """A data set as a model card describes it. section: Markdown. tags: `datasets` in the card's front matter."""

    name: str
    section: str
    tags: tuple[str, ...] = ()


OPEN_IMAGES = Dataset(
    "Open Images",
    _TITLE
    + """The photos are from [Open Images](https://storage.googleapis.com/openimages/web/index.html), which lists them
as CC BY 2.0. `ATTRIBUTION.csv`, which the feature pipeline writes next to the tiles of each part, names every
photographer.
""",
    ("open-images",),
)


def of(folder: Path) -> Dataset:
    """Return the data set of the model in `folder`.

    DATA.md starts with the data set's name, `# NAME`; its remaining lines go into the card. Without that heading the
    whole file goes into the card, and the data set has no name.
    """
    path = folder / DATA
    if not path.exists():
        return OPEN_IMAGES
    text = path.read_text("utf-8")
    heading, _, body = text.partition("\n")
    if not heading.startswith("# "):
        return Dataset("its own training data", text)
    return Dataset(heading.removeprefix("# ").strip(), _TITLE + body.lstrip("\n"))
