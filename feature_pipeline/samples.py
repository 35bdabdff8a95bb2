"""One file of the tar -> encoded samples; what the worker processes run."""

import io
import zlib
from collections.abc import Iterator

import imagehash
from PIL import Image

from feature_pipeline import pictures, tiles
from feature_pipeline.manifest import Attribution, Draw, PictureRecord, SampleInfo, Settings
from feature_pipeline.shards import EncodedSample
from feature_pipeline.tar import File
from feature_pipeline.tiles import TilePair
from upscaler.pixels import Pixels

PNG = {"compress_level": 1, "compress_type": zlib.Z_RLE}  # as small as level 2, in four fifths of the time

Outcome = tuple[PictureRecord, tuple[EncodedSample, ...]]


def make(file: File, settings: Settings, attribution: Attribution | None = None) -> Outcome:
    """Decode a picture and cut it; a file that is no usable picture gives no samples and the reason.

    `attribution` is None where there is no list, or where the picture is not in it.
    """
    unlisted = attribution is None and bool(settings.metadata_sha256)
    known = PictureRecord(name=file.name, bytes=file.size, unlisted=unlisted, attribution=attribution)
    if unlisted and settings.unlisted == "drop":
        return known.model_copy(update={"skipped": "not in the list"}), ()
    try:
        picture = pictures.decode(file.content)
    except pictures.UnusableError as error:
        return known.model_copy(update={"skipped": str(error)}), ()
    return _cut(picture, known, settings)


def _cut(picture: Pixels, known: PictureRecord, settings: Settings) -> Outcome:
    image_id = known.name.partition(".")[0]
    pairs, rejected = tiles.cut(picture, settings.tiles_per_image, seed=image_id)
    credit = known.attribution or Attribution()
    samples = tuple(
        EncodedSample(
            f"{image_id}-{number}",
            encode_png(pair.small),
            encode_png(pair.large),
            SampleInfo(image_id=image_id, part=settings.part, box=pair.box, augmented=draw, **credit.model_dump()),
        )
        for number, (pair, draw) in enumerate(_augmented(picture, pairs, image_id, settings))
    )
    found = {
        "perceptual_hash": _perceptual_hash(picture),
        "tiles": len(samples),
        "rejected": dict(rejected),
        "skipped": None if samples else "no tile worth taking" if rejected else "too small",
    }
    return known.model_copy(update=found), samples


def _augmented(
    picture: Pixels, pairs: list[TilePair], image_id: str, settings: Settings
) -> Iterator[tuple[TilePair, Draw | None]]:
    if not settings.augment:
        yield from ((pair, None) for pair in pairs)
        return
    from feature_pipeline import augment  # torch takes memory and seconds, which clean tiles need not pay

    for number, pair in enumerate(pairs):
        yield augment.augmented(picture, pair, seed=f"{image_id}-{number}")


def _perceptual_hash(picture: Pixels) -> str:
    """64 bits in hexadecimal; made of a quarter of the size, as the hash looks at 32x32 pixels only."""
    return str(imagehash.phash(Image.fromarray(picture).reduce(4)))


def encode_png(pixels: Pixels) -> bytes:
    """HWC uint8 pixels as a PNG."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", **PNG)
    return content.getvalue()
