"""Benchmark of batches: next to a shell loop of single commands, pictures side by side or one on all cores, and memory.

The Ray cluster has the same cores, and starts before the timing. Up to three million names are listed from a generator,
with an engine that does nothing.
"""

import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import psutil
import ray
from PIL import Image

from batch_pipeline import local, run
from batch_pipeline.catalogue import Task
from batch_pipeline.config import BatchConfig
from batch_pipeline.entry import Entry
from batch_pipeline.places import Folder
from batch_pipeline.report import Record
from benchmarks.files import PHOTO, seconds, write_photo
from cluster.engine import Engine
from upscaler.engines.cores import cores

SIDES = (240, 320)  # height and width of the small ones
LOOPED = 20  # pictures of the shell loop, whose cost per picture is constant
NAMES = (1_000, 10_000, 100_000, 300_000, 1_000_000, 3_000_000)

LOCAL = Engine()
LOOP = 'for file in "$1"/*.jpg; do "$2" -m upscaler "$file" -o "$3/"; done'


def main(small: int, large: int) -> None:
    """Print the tables. small, large: numbers of pictures."""
    with tempfile.TemporaryDirectory() as folder, cluster() as address:
        print("| pictures | way | pictures/s | relative to single commands |\n|---|---|---|---|", flush=True)
        _print_speeds(f"{small} small", _small(Path(folder) / "small", small), address)
        _print_speeds(f"{large} of 12 megapixels", _large(Path(folder) / "large", large), address)
    print("\n| names | peak memory, MB |\n|---|---|", flush=True)
    for number in NAMES:
        print(f"| {number:,} | {memory_of(number) / 1e6:.0f} |", flush=True)


@contextmanager
def cluster() -> Iterator[str]:
    """Run a Ray cluster with the cores of this process; yield its address."""
    ray.init(num_cpus=cores(), include_dashboard=False, log_to_driver=False)
    try:
        yield ray.get_runtime_context().gcs_address
    finally:
        ray.shutdown()


def _print_speeds(name: str, pictures: Path, address: str) -> None:
    single = _looped(pictures)
    print(f"| {name} | single commands | {single:.2f} | 1.00 |", flush=True)
    for workers in sorted({1, cores()}):
        speed = _batched(pictures, workers)
        print(f"| {name} | batch, {workers} workers | {speed:.2f} | {speed / single:.2f} |", flush=True)
    speed = _batched(pictures, None, Engine("ray", address, str(pictures.parent)))
    print(f"| {name} | batch on Ray, {cores()} actors | {speed:.2f} | {speed / single:.2f} |", flush=True)


def _small(folder: Path, number: int) -> Path:
    folder.mkdir()
    photo = np.asarray(Image.open(PHOTO).convert("RGB"))
    height, width = SIDES
    for n in range(number):
        top, left = (n * 37) % (photo.shape[0] - height), (n * 91) % (photo.shape[1] - width)
        Image.fromarray(photo[top : top + height, left : left + width]).save(folder / f"{n:03}.jpg", quality=90)
    return folder


def _large(folder: Path, number: int) -> Path:
    folder.mkdir()
    write_photo(folder / "000.jpg")
    for n in range(1, number):
        (folder / f"{n:03}.jpg").hardlink_to(folder / "000.jpg")
    return folder


def _looped(pictures: Path) -> float:
    """Return pictures per second of a shell loop over the first ones."""
    first = sorted(pictures.iterdir())[:LOOPED]
    with tempfile.TemporaryDirectory() as some, tempfile.TemporaryDirectory() as out:
        for path in first:
            (Path(some) / path.name).symlink_to(path)
        command = ["sh", "-c", LOOP, "sh", some, sys.executable, out]
        return len(first) / seconds(lambda: subprocess.run(command, check=True, capture_output=True))


def _batched(pictures: Path, workers: int | None, engine: Engine = LOCAL) -> float:
    with tempfile.TemporaryDirectory() as out:
        config = BatchConfig(source=str(pictures), out=out, workers=workers, engine=engine)
        return sum(1 for _ in pictures.iterdir()) / seconds(lambda: run.run(config))


def memory_of(number: int) -> float:
    """Return the peak memory in bytes above that before, of a batch over generated names."""
    this, peak = psutil.Process(), 0.0
    before = this.memory_info().rss

    def entries(_: Folder) -> Iterator[Entry]:
        for n in range(number):
            yield Entry(f"{n // 1000:04}/a photo {n:07}.jpg", 1_000_000)

    def nothing(tasks: Iterator[Task], _: BatchConfig) -> Generator[Record]:
        nonlocal peak
        for n, task in enumerate(tasks):
            if n % 1000 == 0:
                peak = max(peak, this.memory_info().rss - before)
            yield Record(source=task.source, target=task.target, size=(4000, 3000), target_size=(8000, 6000))

    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(Folder, "entries", entries),
        patch.object(local, "records", nothing),
        patch("batch_pipeline.run._outputs", lambda _: iter(())),
    ):
        run.run(BatchConfig(source=f"{folder}/in", out=f"{folder}/out"))
    return peak
