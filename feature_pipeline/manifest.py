"""The JSON formats of the feature pipeline: sample, picture, settings, shard and manifest of a part."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, StringConstraints

from upscaler.model.artifact import ATTRIBUTION as ATTRIBUTION
from upscaler.relative_names import stays_inside

MANIFEST = "manifest.json"
CONFIG = "config.json"
SOURCE = "source.json"  # parts of earlier versions lack it


def _checked(name: str) -> str:
    if not stays_inside(name) or "/" in name:
        raise ValueError("not a file name in the same folder")
    return name


FileName = Annotated[str, AfterValidator(_checked)]  # in the folder of the JSON file
PerceptualHash = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]  # 64 bits
Box = tuple[NonNegativeInt, NonNegativeInt, NonNegativeInt, NonNegativeInt]


def image_id(name: str) -> str:
    """Return the id of the picture in a file of that name, which may have several suffixes."""
    return name.partition(".")[0]


class Record(BaseModel):
    """A JSON object without unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Attribution(Record):
    """Author and licence of a picture, as in the Open Images metadata; fields that it lacks are empty."""

    license: str = ""
    author: str = ""
    author_profile: str = ""
    title: str = ""
    landing_page: str = ""


class Draw(Record):
    """The techniques applied to an augmented sample, with their strengths; None if not applied.

    `scale` of the picture, 0.5 to 1.5; `shift` of hue and gamma, -0.1 to 0.1; `noise` on the LR tile, its standard
    deviation, 0.0 to 0.1 of full scale; `quality` of the LR tile's JPEG compression, 60 to 95.
    """

    scale: float | None = None
    shift: float | None = None
    noise: float | None = None
    quality: int | None = None


class SampleInfo(Attribution):
    """The content of `<key>.json`. `box` is left, top, right, bottom in the upright picture at full size.

    In an augmented sample with a `scale`, the box is in the scaled picture.
    """

    image_id: str
    part: str
    box: Box
    augmented: Draw | None = None


class PictureRecord(Record):
    """The result of one file of the tar: `skipped` is the reason to skip it, `rejected` counts tiles by reason.

    `mirrored_hash`: perceptual hash of the mirror image.
    """

    name: str
    bytes: NonNegativeInt = 0
    perceptual_hash: PerceptualHash | None = None
    mirrored_hash: PerceptualHash | None = None
    tiles: NonNegativeInt = 0
    rejected: dict[str, NonNegativeInt] = {}
    skipped: str | None = None
    unlisted: bool = False
    attribution: Attribution | None = None

    @property
    def image_id(self) -> str:
        """Id of the picture; "" if its name has none."""
        return image_id(self.name)


class Settings(Record):
    """The settings that determine a part's bytes."""

    format_version: Literal[1] = 1
    part: str
    images: NonNegativeInt | None
    tiles_per_image: NonNegativeInt
    pictures_per_shard: NonNegativeInt
    augment: bool = False
    metadata_sha256: tuple[str, ...] = ()
    unlisted: Literal["keep", "drop"] = "keep"


class Source(Record):
    """The content of source.json: the object that a part is made from. bytes: its length.

    etag: as the server gives it, compared as a whole. dataset: the data set's name; "" for an object of another server
    than the data set's own, which may hold other pictures.
    """

    etag: str
    bytes: NonNegativeInt
    dataset: str


class ShardSummary(Record):
    """A shard's entry in the manifest."""

    file: FileName
    samples: NonNegativeInt
    sha256: str


class Manifest(Record):
    """The content of manifest.json. source_bytes: length of the compressed part. seconds: duration of the last run.

    dataset: see Source.
    """

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
    dataset: str = ""
