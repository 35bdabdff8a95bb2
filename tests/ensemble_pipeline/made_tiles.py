"""Folders of tile shards from generated pictures."""

from pathlib import Path

from feature_pipeline import samples, shards
from feature_pipeline.manifest import PictureRecord, SampleInfo
from feature_pipeline.shards import EncodedSample
from support.models import photo_like
from upscaler import bicubic


def write_tiles(folder: Path, first: int = 0, pictures: int = 2) -> Path:
    """Write one tile for each of some pictures, numbered from `first`."""
    with shards.writing(shards.shard_path(folder, 0)) as writer:
        for n in range(first, first + pictures):
            large = photo_like(256, 256, seed=n)
            info = SampleInfo(image_id=f"{n:016x}", part=folder.name, box=(0, 0, 256, 256))
            pngs = samples.encode_png(bicubic.halve(large)), samples.encode_png(large)
            tile = EncodedSample(f"{info.image_id}-0", *pngs, info)
            writer.add(PictureRecord(name=f"{info.image_id}.jpg", tiles=1), (tile,))
    return folder
