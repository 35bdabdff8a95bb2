"""Small folders of tile shards, and configurations of short runs on them."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from feature_pipeline import samples, shards
from feature_pipeline.manifest import PictureRecord, SampleInfo
from feature_pipeline.shards import EncodedSample
from support.models import photo_like
from training_pipeline.config import TrainingConfig
from upscaler.bicubic import halve


def write_shards(folder: Path, pictures: int = 3, first: int = 0, tiles: int = 2, side: int = 256) -> Path:
    """Write one shard of generated pictures, numbered from `first`, with `tiles` tiles each."""
    with shards.writing(shards.shard_path(folder, 0)) as writer:
        for n in range(first, first + pictures):
            image_id = f"{n:016x}"
            record = PictureRecord(name=f"{image_id}.jpg", tiles=tiles)
            writer.add(record, tuple(encoded(image_id, tile, side) for tile in range(tiles)))
    return folder


@lru_cache(maxsize=64)
def encoded(image_id: str, tile: int, side: int) -> EncodedSample:
    """Encode a tile pair of a generated picture, `side` HR pixels a side."""
    hr = photo_like(side, side, seed=100 * int(image_id, 16) + tile)
    info = SampleInfo(image_id=image_id, part="train_0", box=(0, 0, side, side))
    pngs = samples.encode_png(halve(hr)), samples.encode_png(hr)
    return EncodedSample(f"{image_id}-{tile}", *pngs, info)


def small_config(folder: Path, **changes: Any) -> TrainingConfig:
    """Configure a run of a network of 4 channels on shards in `folder`, which are written if missing."""
    for name, first in (("train_0", 0), ("validation", 1000)):
        if not (folder / name).exists():
            write_shards(folder / name, first=first)
    values: dict[str, Any] = {
        "shards": (folder / "train_0",),
        "validation": (folder / "validation",),
        "out": folder / "run",
        "size": "4x1",
        "steps": 7,
        "batch": 2,
        "crop": 8,
        "threads": 1,
    }
    return TrainingConfig(**values | changes)
