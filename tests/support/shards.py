"""Small tile shards of generated pictures."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

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
    looks: Mapping[int, tuple[int, int]] | None = None,
    draw: Draw | None = None,
) -> Path:
    """Write one shard of generated pictures, numbered from `first`, with `tiles` tiles each.

    looks: perceptual hashes of each picture and its mirror image. draw: the augmentation that the tiles claim.
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
            own, mirrored = (f"{value:016x}" for value in looks[n]) if looks else (None, None)
            record = PictureRecord(name=f"{image_id}.jpg", tiles=tiles, perceptual_hash=own, mirrored_hash=mirrored)
            writer.add(record, cut)
    return folder


def random_looks(count: int) -> dict[int, tuple[int, int]]:
    """Return hashes of `count` different pictures and their mirror images, the same at each call, by number."""
    values = np.random.default_rng(0).integers(2**64, size=(count, 2), dtype=np.uint64).tolist()
    return {n: (own, mirrored) for n, (own, mirrored) in enumerate(values)}


def mirrored(look: tuple[int, int]) -> tuple[int, int]:
    """Return the hashes of the mirror image, a copy with other bits."""
    return look[1] ^ 0b1001, look[0] ^ 0b0110


@lru_cache(maxsize=64)
def encoded_pair(seed: int, side: int) -> tuple[bytes, bytes]:
    """Encode the LR and the HR tile of a generated picture, `side` HR pixels a side."""
    hr = photo_like(side, side, seed)
    return samples.encode_png(halve(hr)), samples.encode_png(hr)
