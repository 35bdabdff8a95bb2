"""Benchmark of a 12-megapixel photo from file to file, next to the network alone, and time to the first megapixel."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.upscaler import tiled
from upscaler import Upscaler, double_file
from upscaler.pixels import Pixels

PHOTO = Path(__file__).parents[1] / "apps/ui/samples/butterfly.jpg"
SIZE = (3000, 4000)  # height and width
ROUNDS = 3  # interleaved, because machines drift; the fastest counts

FIRST_MEGAPIXEL = """
import sys
from pathlib import Path
from upscaler import Upscaler, double_file

for progress in double_file(Upscaler.load(), Path(sys.argv[1]), Path(sys.argv[2])):
    if progress.megapixels >= 1:
        break
"""


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "photo.jpg"
        picture = write_photo(source)
        upscaler = Upscaler.load()
        work: dict[str, Callable[[], object]] = {
            "network alone": lambda: upscaler.upscale(picture),
            "JPEG to JPEG": lambda: list(double_file(upscaler, source, Path(folder) / "large.jpg")),
            "JPEG to PNG": lambda: list(double_file(upscaler, source, Path(folder) / "large.png")),
        }
        times = [[seconds(one) for one in work.values()] for _ in range(ROUNDS)]
        best = [min(column) for column in zip(*times, strict=True)]
        print("| 12 megapixels to 48 | seconds | relative to the network alone |\n|---|---|---|")
        for name, taken in zip(work, best, strict=True):
            print(f"| {name} | {taken:.1f} | {taken / best[0]:.2f} |")
        command = [sys.executable, "-c", FIRST_MEGAPIXEL, str(source), str(Path(folder) / "first.jpg")]
        first = min(seconds(lambda: subprocess.run(command, check=True)) for _ in range(ROUNDS))
        print(f"\nfrom program start to the first megapixel: {first:.1f} s")


def write_photo(path: Path) -> Pixels:
    """Write a photo of 12 megapixels and return its pixels."""
    picture = tiled(np.asarray(Image.open(PHOTO).convert("RGB")), SIZE)
    Image.fromarray(picture).save(path, quality=95)
    return picture


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
