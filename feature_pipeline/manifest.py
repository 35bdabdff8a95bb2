"""The JSON formats of the feature pipeline: what is said of a sample, of a picture and of a part."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt

MANIFEST = "manifest.json"

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


class SampleInfo(Attribution):
    """What `<key>.json` holds. `box` is left, top, right, bottom in the picture, upright and at its own size."""

    image_id: str
    part: str
    box: Box


class PictureRecord(Record):
    """What became of one file of the tar: `skipped` says why nothing was taken, `rejected` counts tiles by reason."""

    name: str
    perceptual_hash: str | None = None
    tiles: NonNegativeInt = 0
    rejected: dict[str, NonNegativeInt] = {}
    skipped: str | None = None


class Settings(Record):
    """All that decides a part's bytes."""

    format_version: Literal[1] = 1
    part: str
    images: NonNegativeInt | None
    tiles_per_image: NonNegativeInt
    pictures_per_shard: NonNegativeInt


class ShardSummary(Record):
    """A shard as the manifest lists it."""

    file: str
    samples: NonNegativeInt
    sha256: str


class Manifest(Record):
    """What manifest.json holds. `source_bytes` were read of the compressed part; `seconds` are of the last run."""

    settings: Settings
    code_version: str
    pictures: NonNegativeInt
    pictures_taken: NonNegativeInt
    tiles: NonNegativeInt
    skipped: dict[str, NonNegativeInt]
    rejected: dict[str, NonNegativeInt]
    source_bytes: NonNegativeInt
    seconds: NonNegativeFloat
    shards: tuple[ShardSummary, ...]
