"""Benchmark of picture files next to the network alone: 12 megapixels, a folder, an icon; and of the start."""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import processor
from benchmarks.upscaler import tiled
from upscaler import Options, Upscaler, double_file
from upscaler.ahead import ahead
from upscaler.engines.choice import choose_on
from upscaler.engines.precision import Precision
from upscaler.model import find
from upscaler.pixels import Pixels
from upscaler.process import UpscalingProcess

PHOTO = Path(__file__).parents[1] / "apps/ui/samples/butterfly.jpg"
LARGE, SMALL, ICON = (3000, 4000), (480, 640), (32, 32)  # height and width
PICTURES = 50  # of a folder
ICONS = 100  # one takes too little time to be measured alone
ROUNDS = 3  # interleaved, because machines drift; the fastest counts

FIRST_MEGAPIXEL = """
import sys
from pathlib import Path
from upscaler import Upscaler, double_file

for progress in double_file(Upscaler.load(), Path(sys.argv[1]), Path(sys.argv[2])):
    if progress.megapixels >= 1:
        break
"""


@dataclass(frozen=True)
class Work:
    """The same pictures through the network alone, and from file to file."""

    name: str
    network: Callable[[], object]
    files: Callable[[], object]


def main() -> None:
    """Print the tables."""
    print(f"{processor.description()}\n")
    print("| fast | precision | network alone, s | files, s | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("f32", None):
            for row in rows(precision, Path(folder)):
                print(row, flush=True)
        print("\n| from program start to | seconds | CPU seconds |\n|---|---|---|")
        for row in starts(Path(folder)):
            print(row, flush=True)


def rows(precision: Precision | None, folder: Path) -> Iterator[str]:
    """Measure each work in a precision; None: the default."""
    name = precision or f"{choose_on('cpu', find.model(find.FAST)).precision}, default"
    with ExitStack() as stack:
        for work in works(precision, folder, stack):
            times = [(seconds(work.network), seconds(work.files)) for _ in range(ROUNDS)]
            network, files = map(min, zip(*times, strict=True))
            yield f"| {work.name} | {name} | {network:.2f} | {files:.2f} | {files / network:.2f} |"


def works(precision: Precision | None, folder: Path, stack: ExitStack) -> Iterator[Work]:
    """Load the model, and write each picture when its turn comes."""
    upscaler = Upscaler(find.model(find.FAST), precision)
    process = stack.enter_context(UpscalingProcess(find.FAST, precision))  # as for a folder

    def repeated(double: Callable[[], object], times: int) -> Callable[[], object]:
        return lambda: [double() for _ in range(times)]

    def in_folder(source: Path) -> None:
        jobs = ((n, process.double(source, folder / f"result{n}.jpg", Options())) for n in range(PICTURES))
        for _, job in ahead(jobs):
            list(job)

    for suffix in ("jpg", "png"):
        source, target = folder / "large.jpg", folder / f"result.{suffix}"
        photo = write_photo(source)
        files = partial(_double, upscaler, source, target)
        yield Work(f"12 megapixels, JPEG to {suffix.upper()}", partial(upscaler.upscale, photo, jpeg=True), files)
    source = folder / "small.jpg"
    photo = write_photo(source, SMALL)
    alone = repeated(partial(upscaler.upscale, photo, jpeg=True), PICTURES)
    yield Work(f"{PICTURES} JPEGs of 0.3 megapixels", alone, partial(in_folder, source))
    source = folder / "icon.png"
    icon = write_photo(source, ICON)
    alone, files = partial(upscaler.upscale, icon), partial(_double, upscaler, source, folder / "result.png")
    yield Work(f"{ICONS} icons of 32x32, PNG to PNG", repeated(alone, ICONS), repeated(files, ICONS))


def starts(folder: Path) -> Iterator[str]:
    """Measure programs that start for one picture."""
    icon, photo = folder / "icon.png", folder / "large.jpg"
    command = [sys.executable, "-m", "upscaler", str(icon), "--overwrite", "-o", str(folder / "started.png")]
    first = [sys.executable, "-c", FIRST_MEGAPIXEL, str(photo), str(folder / "first.jpg")]
    for name, arguments in (("the exit after an icon", command), ("the first megapixel of 48", first)):
        runs = [started(arguments) for _ in range(2 * ROUNDS)]
        yield f"| {name} | {min(wall for wall, _ in runs):.2f} | {min(cpu for _, cpu in runs):.2f} |"


def started(command: list[str]) -> tuple[float, float]:
    """Run a program; return its wall-clock and CPU seconds, of which other programs affect the latter less."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = seconds(lambda: subprocess.run(command, check=True, capture_output=True))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def write_photo(path: Path, size: tuple[int, int] = LARGE) -> Pixels:
    """Write a photo, of 12 megapixels unless another height and width are given, and return its pixels."""
    picture = tiled(np.asarray(Image.open(PHOTO).convert("RGB")), size)
    Image.fromarray(picture).save(path, quality=95)
    return picture


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _double(upscaler: Upscaler, source: Path, target: Path) -> object:
    return list(double_file(upscaler, source, target))


if __name__ == "__main__":
    main()
