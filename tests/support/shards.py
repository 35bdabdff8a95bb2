"""Small tile shards of generated pictures."""

from functools import lru_cache
from pathlib import Path

from feature_pipeline import samples, shards
from feature_pipeline.manifest import Draw, PictureRecord, SampleInfo
from feature_pipeline.shards import EncodedSample
from support.pictures import photo_like
from upscaler.bicubic import halve


def write_shard(
    folder: Path,
    pictures: int = 3,
    first: int = 0,
    tiles: int = 2,
    side: int = 256,
    author: str = "",
    license: str = "",
    draw: Draw | None = None,
) -> Path:
    """Write one shard of generated pictures, numbered from `first`, with `tiles` tiles each.

    draw: the augmentation that the tiles claim.
    """
    with shards.writing(shards.shard_path(folder, 0)) as writer:
        for n in range(first, first + pictures):
            image_id = f"{n:016x}"
            info = SampleInfo(
                image_id=image_id,
                part=folder.name,
                box=(0, 0, side, side),
                author=author,
                license=license,
                augmented=draw,
            )
            encoded = (encoded_pair(100 * n + tile, side) for tile in range(tiles))
            cut = tuple(EncodedSample(f"{image_id}-{tile}", *pair, info) for tile, pair in enumerate(encoded))
            writer.add(PictureRecord(name=f"{image_id}.jpg", tiles=tiles), cut)
    return folder


@lru_cache(maxsize=64)
def encoded_pair(seed: int, side: int) -> tuple[bytes, bytes]:
    """Encode the LR and the HR tile of a generated picture, `side` HR pixels a side."""
    hr = photo_like(side, side, seed)
    return samples.encode_png(halve(hr)), samples.encode_png(hr)
