"""Small tile shards of generated pictures."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from feature_pipeline import samples, shards
from feature_pipeline.manifest import PictureRecord, SampleInfo
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
    looks: Mapping[int, int] | None = None,
) -> Path:
    """Write one shard of generated pictures, numbered from `first`, with `tiles` tiles each.

    looks: perceptual hashes by number.
    """
    with shards.writing(shards.shard_path(folder, 0)) as writer:
        for n in range(first, first + pictures):
            image_id = f"{n:016x}"
            info = SampleInfo(
                image_id=image_id, part=folder.name, box=(0, 0, side, side), author=author, license=license
            )
            encoded = (encoded_pair(100 * n + tile, side) for tile in range(tiles))
            cut = tuple(EncodedSample(f"{image_id}-{tile}", *pair, info) for tile, pair in enumerate(encoded))
            look = f"{looks[n]:016x}" if looks and n in looks else None
            writer.add(PictureRecord(name=f"{image_id}.jpg", tiles=tiles, perceptual_hash=look), cut)
    return folder


def random_looks(count: int) -> dict[int, int]:
    """Return perceptual hashes of `count` different pictures, the same at each call, by number."""
    return dict(enumerate(np.random.default_rng(0).integers(2**64, size=count, dtype=np.uint64).tolist()))


@lru_cache(maxsize=64)
def encoded_pair(seed: int, side: int) -> tuple[bytes, bytes]:
    """Encode the LR and the HR tile of a generated picture, `side` HR pixels a side."""
    hr = photo_like(side, side, seed)
    return samples.encode_png(halve(hr)), samples.encode_png(hr)
