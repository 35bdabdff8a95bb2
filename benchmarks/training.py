"""Benchmark of training: overhead of the data loader, and share of the machine's convolution throughput."""

import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from feature_pipeline import samples, shards
from feature_pipeline.manifest import PictureRecord, SampleInfo
from feature_pipeline.shards import EncodedSample
from training_pipeline import batches, data, loader
from training_pipeline.config import TrainingConfig
from training_pipeline.network import Network
from training_pipeline.sizes import SIZES
from training_pipeline.train import Run
from upscaler.bicubic import halve
from upscaler.engines.openvino_engine import OpenVinoEngine
from upscaler.model import artifact
from upscaler.model.artifact import Member, ModelConfig
from upscaler.pixels import Pixels

TILES = 64
WARM_UP, STEPS = 4, 16
LIMIT_TRIALS, WINDOWS, SIDE = 6, 4, 256


def main() -> None:
    """Print the table for the sizes that train in moderate time."""
    with tempfile.TemporaryDirectory() as folder:
        training, validation = (write_tiles(Path(folder) / name, n) for n, name in enumerate(("train_0", "validation")))
        limit = convolution_limit(Path(folder) / "model")
        print(f"convolution limit of this machine, {SIZES['base'].width} channels: {limit:.0f} GFLOP/s\n")
        print("| size | ms/step, fixed batch | with the loader | ratio | GFLOP/s of training | of the limit |")
        print("|---|---|---|---|---|---|")
        for size in ("tiny", "small"):
            config = TrainingConfig((training,), (validation,), Path(folder) / size, size=size, steps=10**9)
            print(row(config, limit), flush=True)


def row(config: TrainingConfig, limit: float) -> str:
    """Measure one size and return its row."""
    torch.set_num_threads(config.threads)
    run = Run(config, data.read(config), None)
    crops = batches.of(run.tiles.training, config)
    prefetched = loader.prefetched(crops, 0)
    fixed, loaded = seconds_per_step(run, repeat(crops[0]), prefetched)
    prefetched.close()
    run.journal.close()
    speed = 3 * 2 * run.network.architecture.multiplications * config.batch * config.crop**2 / fixed / 1e9
    return (
        f"| {config.size}, {run.precision}, {config.batch} of {config.crop}x{config.crop}, {config.threads} threads "
        f"| {fixed * 1e3:.0f} | {loaded * 1e3:.0f} | {loaded / fixed:.2f} | {speed:.0f} | {speed / limit:.0%} |"
    )


def seconds_per_step(run: Run, *sources: Iterator[batches.Batch]) -> list[float]:
    """Return the median for each source of batches, waiting for the batch included; interleaved, since machines drift.

    The loader prefetches one batch for each one taken, and finishes before the step.
    """
    times: list[list[float]] = [[] for _ in sources]
    for _ in range(WARM_UP + STEPS):
        for source, column in zip(sources, times, strict=True):
            started = time.perf_counter()
            run.advance(*next(source))
            column.append(time.perf_counter() - started)
    return [statistics.median(column[WARM_UP:]) for column in times]


def convolution_limit(folder: Path) -> float:
    """Measure the GFLOP/s of the widest network in OpenVINO, on all cores, in the precision of training."""
    architecture = SIZES["base"]
    member = Member(name="base", parts=(), pictures=0, steps=0)
    config = ModelConfig(architecture=architecture, combination="single", members=(member,))
    model = artifact.write(folder, config, Network(architecture, branches=False).collapsed(), {}, "")
    engine = OpenVinoEngine(model, SIDE)
    planes = np.random.default_rng(0).random((1, 3, SIDE, SIDE), np.float32)
    seconds: list[float] = []
    for _ in range(LIMIT_TRIALS):  # the first warms up, the best is the limit
        started = time.perf_counter()
        list(engine.run(enumerate([planes] * WINDOWS)))
        seconds.append(time.perf_counter() - started)
    return 2 * WINDOWS * architecture.multiplications_in(SIDE) / min(seconds) / 1e9


def write_tiles(folder: Path, seed: int) -> Path:
    """Write a shard of generated tiles that decode as slowly as photos: about 90 kB for each HR tile."""
    with shards.writing(shards.shard_path(folder, 0)) as writer:
        for n in range(TILES):
            image_id = f"{seed:x}{n:015x}"
            hr = generated(seed * TILES + n)
            info = SampleInfo(image_id=image_id, part=folder.name, box=(0, 0, 256, 256))
            pngs = samples.encode_png(halve(hr)), samples.encode_png(hr)
            writer.add(PictureRecord(name=image_id, tiles=1), (EncodedSample(f"{image_id}-0", *pngs, info),))
    return folder


def generated(seed: int) -> Pixels:
    """Generate a 256x256 picture of soft shapes with a little noise."""
    rng = np.random.default_rng(seed)
    shapes = Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).resize((256, 256), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(shapes) + rng.normal(0, 1, (256, 256, 3)), 0, 255).round().astype(np.uint8)


if __name__ == "__main__":
    main()
