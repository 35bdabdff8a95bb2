"""Samples of one file of the tar: the work of a worker process."""

import io
import zlib
from collections.abc import Iterator

import imagehash
from PIL import Image, ImageOps

from feature_pipeline import pictures, tiles
from feature_pipeline.manifest import Attribution, Draw, PictureRecord, SampleInfo, Settings
from feature_pipeline.shards import EncodedSample
from feature_pipeline.tar import File
from feature_pipeline.tiles import TilePair
from upscaler.pixels import Pixels

PNG = {"compress_level": 1, "compress_type": zlib.Z_RLE}  # the size of level 2 in 80 % of the time

Outcome = tuple[PictureRecord, tuple[EncodedSample, ...]]


def make(file: File, settings: Settings, attribution: Attribution | None = None) -> Outcome:
    """Decode a picture and cut it into samples; an unusable file gives no samples, and the reason in its record.

    `attribution` is None without metadata, or if the metadata lack the picture.
    """
    unlisted = attribution is None and bool(settings.metadata_sha256)
    known = PictureRecord(name=file.name, bytes=file.size, unlisted=unlisted, attribution=attribution)
    if not known.image_id:
        return known.model_copy(update={"skipped": "no id"}), ()
    if unlisted and settings.unlisted == "drop":
        return known.model_copy(update={"skipped": "not in the list"}), ()
    try:
        picture = pictures.decode(file.content)
    except pictures.UnusableError as error:
        return known.model_copy(update={"skipped": str(error)}), ()
    return _cut(picture, known, settings)


def _cut(picture: Pixels, known: PictureRecord, settings: Settings) -> Outcome:
    image_id = known.image_id
    pairs, rejected = tiles.cut(picture, settings.tiles_per_image, seed=image_id)
    credit = known.attribution or Attribution()
    samples = tuple(
        EncodedSample(
            f"{image_id}-{number}",
            encode_png(pair.lr),
            encode_png(pair.hr),
            SampleInfo(image_id=image_id, part=settings.part, box=pair.box, augmented=draw, **credit.model_dump()),
        )
        for number, (pair, draw) in enumerate(_augmented(picture, pairs, image_id, settings))
    )
    own, mirrored = perceptual_hashes(picture)
    found = {
        "perceptual_hash": f"{own:016x}",
        "mirrored_hash": f"{mirrored:016x}",
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
    from feature_pipeline import augment  # loads torch: seconds and memory that clean tiles do not need

    for number, pair in enumerate(pairs):
        yield augment.augmented(picture, pair, seed=f"{image_id}-{number}")


def perceptual_hashes(picture: Pixels) -> tuple[int, int]:
    """Return 64 bits for the picture and for its mirror image, at a quarter of the size: the hash uses 32x32 pixels."""
    own = Image.fromarray(picture).reduce(4)
    return _perceptual_hash(own), _perceptual_hash(ImageOps.mirror(own))


def _perceptual_hash(image: Image.Image) -> int:
    return int(str(imagehash.phash(image)), 16)


def encode_png(pixels: Pixels) -> bytes:
    """Encode HWC uint8 pixels as PNG."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", **PNG)
    return content.getvalue()
