"""One file of the tar -> encoded samples; what the worker processes run."""

import io
from collections import Counter

import imagehash
from PIL import Image

from feature_pipeline import pictures, tiles
from feature_pipeline.manifest import PictureRecord, SampleInfo, Settings
from feature_pipeline.shards import EncodedSample
from feature_pipeline.source import File
from feature_pipeline.tiles import TilePair
from upscaler.pixels import Pixels

PNG_LEVEL = 1

Outcome = tuple[PictureRecord, tuple[EncodedSample, ...]]


def make(file: File, settings: Settings) -> Outcome:
    """Decode a picture and cut it; a file that is no usable picture gives no samples and the reason."""
    try:
        picture = pictures.decode(file.content)
    except pictures.UnusableError as error:
        return PictureRecord(name=file.name, skipped=str(error)), ()
    image_id = file.name.partition(".")[0]
    pairs, rejected = tiles.cut(picture, settings.tiles_per_image, seed=image_id)
    samples = tuple(_encode(image_id, number, pair, settings.part) for number, pair in enumerate(pairs))
    record = PictureRecord(
        name=file.name,
        perceptual_hash=str(imagehash.phash(Image.fromarray(picture))),
        tiles=len(samples),
        rejected=rejected,
        skipped=None if samples else _why_none(picture, rejected),
    )
    return record, samples


def _encode(image_id: str, number: int, pair: TilePair, part: str) -> EncodedSample:
    info = SampleInfo(image_id=image_id, part=part, box=pair.box)
    return EncodedSample(f"{image_id}-{number}", encode_png(pair.small), encode_png(pair.large), info)


def encode_png(pixels: Pixels) -> bytes:
    """HWC uint8 pixels as a PNG."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG", compress_level=PNG_LEVEL)
    return content.getvalue()


def _why_none(picture: Pixels, rejected: Counter[str]) -> str:
    return "no tile worth taking" if rejected else "too small"
