"""Benchmark of training on many tiles: time to the first step, and memory, which must not grow with the tiles.

One shard of generated tiles is repeated under other names, with records of other pictures.
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import psutil

from benchmarks.training import generated, write_tiles
from feature_pipeline import samples, shards
from feature_pipeline.manifest import PictureRecord, SampleInfo
from feature_pipeline.shards import EncodedSample, ShardRecord
from training_pipeline import batches, data
from training_pipeline.config import TrainingConfig
from training_pipeline.train import Run
from upscaler.atomic import write_text
from upscaler.bicubic import halve

PICTURES, TILES = 100, 4  # of a shard and of a picture, as the feature pipeline makes them
SHARDS = (25, 250, 2500)
BATCHES, APART = 40, 1000  # steps between two batches: nearly each is of other shards
ID_DIGITS = 8  # of 16, the first ones, which tell the shard


def main() -> None:
    """Print the table."""
    print("| tiles | first step after, s | of it CPU, s | memory then, MB | after other groups, MB | index, MB |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        first = shards.shard_path(Path(folder) / "train_0", 0)
        write_shard(first)
        validation = write_tiles(Path(folder) / "validation", 1)
        for count in SHARDS:
            repeat(first, count)
            config = TrainingConfig((first.parent,), (validation,), Path(folder) / "run", size="tiny", steps=1)
            with ProcessPoolExecutor(1, get_context("spawn")) as process:  # so that memory is that of this run alone
                print(process.submit(row, config).result(), flush=True)


def row(config: TrainingConfig) -> str:
    """Train one step, then read batches from many shards; return the row."""
    started, before = time.perf_counter(), time.process_time()
    run = Run(config, data.read(config), None)
    made = batches.of(run.tiles.training, config)
    run.advance(*made[0])
    seconds, at_first = time.perf_counter() - started, _memory()
    computing = time.process_time() - before
    for step in range(0, BATCHES * APART, APART):
        made[step]
    run.journal.close()
    tiles = run.tiles.training
    return (
        f"| {len(tiles):,} | {seconds:.1f} | {computing:.1f} | {at_first:.0f} | {_memory():.0f} "
        f"| {tiles.table.nbytes / 1e6:.1f} |"
    )


def write_shard(path: Path) -> None:
    """Write a shard of generated tiles, as many as of 100 photos."""
    with shards.writing(path) as writer:
        for n in range(PICTURES):
            image_id = f"{n:016x}"
            info = SampleInfo(image_id=image_id, part=path.parent.name, box=(0, 0, 256, 256))
            tiles = (generated(TILES * n + number) for number in range(TILES))
            encoded = tuple(
                EncodedSample(f"{image_id}-{number}", samples.encode_png(halve(hr)), samples.encode_png(hr), info)
                for number, hr in enumerate(tiles)
            )
            writer.add(PictureRecord(name=f"{image_id}.jpg", tiles=TILES), encoded)


def repeat(first: Path, count: int) -> None:
    """Add links to the shard until there are `count` shards, with records of different pictures."""
    record, rng = shards.read_record(shards.record_path(first)), np.random.default_rng(count)
    for number in range(1, count):
        tar = shards.shard_path(first.parent, number)
        if not tar.exists():
            tar.symlink_to(first)
            write_text(shards.record_path(tar), renamed(record, tar, f"{number:0{ID_DIGITS}x}", rng).model_dump_json())


def renamed(record: ShardRecord, tar: Path, prefix: str, rng: np.random.Generator) -> ShardRecord:
    """Return the record with other ids and random perceptual hashes."""
    spans = (one.model_copy(update={"key": prefix + one.key[ID_DIGITS:]}) for one in record.samples)
    looks = rng.integers(2**64, size=(PICTURES, 2), dtype=np.uint64).tolist()
    pictures = (
        one.model_copy(
            update={
                "name": prefix + one.name[ID_DIGITS:],
                "perceptual_hash": f"{own:016x}",
                "mirrored_hash": f"{mirrored:016x}",
            }
        )
        for one, (own, mirrored) in zip(record.pictures, looks, strict=True)
    )
    return record.model_copy(update={"file": tar.name, "samples": tuple(spans), "pictures": tuple(pictures)})


def _memory() -> float:
    """Return the memory of this process in MB."""
    return float(psutil.Process().memory_info().rss) / 1e6


if __name__ == "__main__":
    main()
