"""The JSON formats of the feature pipeline: what is said of a sample, of a picture, of a shard and of a part."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

from upscaler.relative_names import is_inside

MANIFEST = "manifest.json"
CONFIG = "config.json"
ATTRIBUTION = "ATTRIBUTION.csv"


def _checked(name: str) -> str:
    if not is_inside(name) or "/" in name:
        raise ValueError("this is no name of a file in the same folder")
    return name


FileName = Annotated[str, AfterValidator(_checked)]  # of a file beside the one that names it
Box = tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt]


class Record(BaseModel):
    """A JSON object of which every field is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Attribution(Record):
    """Who took a picture and what may be done with it, as the Open Images list says; empty where it is silent."""

    license: str = ""
    author: str = ""
    author_profile: str = ""
    title: str = ""
    landing_page: str = ""


class Draw(Record):
    """What was done to an augmented sample, each with its strength; None is a technique that was not applied.

    `scale` of the picture, 0.5 to 1.5; `shift` of hue and tone, -0.1 to 0.1; `noise` on the small tile, its standard
    deviation, 0.0 to 0.1 of full scale; `quality` of the JPEG that the small tile once was, 60 to 95.
    """

    scale: float | None = None
    shift: float | None = None
    noise: float | None = None
    quality: int | None = None


class SampleInfo(Attribution):
    """What `<key>.json` holds. `box` is left, top, right, bottom in the picture, upright and at its own size.

    In an augmented sample with a `scale`, the box is that in the scaled picture.
    """

    image_id: str
    part: str
    box: Box
    augmented: Draw | None = None


class PictureRecord(Record):
    """What became of one file of the tar: `skipped` says why nothing was taken, `rejected` counts tiles by reason."""

    name: str
    bytes: NonNegativeInt = 0
    perceptual_hash: str | None = None
    tiles: NonNegativeInt = 0
    rejected: dict[str, NonNegativeInt] = {}
    skipped: str | None = None
    unlisted: bool = False
    attribution: Attribution | None = None


class Settings(Record):
    """All that decides a part's bytes."""

    format_version: Literal[1] = 1
    part: str
    images: NonNegativeInt | None
    tiles_per_image: NonNegativeInt
    pictures_per_shard: NonNegativeInt
    augment: bool = False
    metadata_sha256: tuple[str, ...] = ()
    unlisted: Literal["keep", "drop"] = "keep"


class ShardSummary(Record):
    """A shard as the manifest lists it."""

    file: FileName
    samples: NonNegativeInt
    sha256: str


class Manifest(Record):
    """What manifest.json holds. `source_bytes` is the length of the compressed part; `seconds` are of the last run."""

    settings: Settings
    code_version: str
    pictures: NonNegativeInt
    pictures_taken: NonNegativeInt
    tiles: NonNegativeInt
    skipped: dict[str, NonNegativeInt]
    rejected: dict[str, NonNegativeInt]
    unlisted: NonNegativeInt = 0
    source_bytes: NonNegativeInt
    picture_bytes: NonNegativeInt = 0
    shard_bytes: NonNegativeInt = 0
    seconds: NonNegativeFloat
    shards: tuple[ShardSummary, ...]
    attribution_sha256: str | None = None
