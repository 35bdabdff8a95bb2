"""Benchmark of the feature pipeline: throughput next to plain decoding, and memory over the length of a run."""

import time
from collections.abc import Iterator
from itertools import cycle, islice

import psutil

from benchmarks.photos import photos
from feature_pipeline import pictures, workers
from feature_pipeline.manifest import Settings
from feature_pipeline.tar import File

SETTINGS = Settings(part="train_0", images=None, tiles_per_image=4, pictures_per_shard=100)
TIMED = 100  # pictures
LOOK_EVERY = 25  # pictures between measurements of memory, each of which takes a tenth of a picture's time
LENGTHS = (300, 3000)  # pictures, over which memory is compared


def main() -> None:
    """Print both tables."""
    found = photos()
    print("| work | pictures/s |\n|---|---|")
    print(f"| plain decoding, one core | {_decoding(found):.1f} |", flush=True)
    for number in (1, 2):
        rate, _ = _making(found, TIMED, number)
        print(f"| up to four tile pairs, {number} workers | {rate:.1f} |", flush=True)
    print("\n| pictures | peak memory of all processes, MB |\n|---|---|")
    for length in LENGTHS:
        _, peak = _making(found, length, 2)
        print(f"| {length} | {peak / 1e6:.0f} |", flush=True)


def _decoding(photos: list[bytes]) -> float:
    started = time.perf_counter()
    for content in islice(cycle(photos), TIMED):
        pictures.decode(content)
    return TIMED / (time.perf_counter() - started)


def _making(photos: list[bytes], length: int, number: int) -> tuple[float, float]:
    """Return pictures per second, without the start of the workers, and peak memory in bytes."""
    outcomes = workers.in_order(((file, None) for file in _files(photos, length)), SETTINGS, number)
    next(outcomes)
    started = time.perf_counter()
    peak = max(_memory() for n, _ in enumerate(outcomes) if n % LOOK_EVERY == 0)
    return (length - 1) / (time.perf_counter() - started), peak


def _files(photos: list[bytes], length: int) -> Iterator[File]:
    for n, content in enumerate(islice(cycle(photos), length)):
        yield File(f"{n:016x}.jpg", len(content), content)


def _memory() -> float:
    this = psutil.Process()
    return float(sum(process.memory_info().rss for process in (this, *this.children(recursive=True))))
