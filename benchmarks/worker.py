"""Benchmark of the apps' worker process: overhead on 12 megapixels, and restart time after a kill."""

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import psutil
from pydantic import BaseModel

from apps.serving import loading
from apps.serving.job_limits import JobLimits
from apps.serving.worker import Worker
from apps.ui.previews import Previews
from benchmarks.files import seconds, write_photo
from upscaler import Options, Upscaler, double_file
from upscaler.model import find

ROUNDS = 3  # interleaved, because machines drift; the fastest counts


class Nothing(BaseModel):
    """Empty result of a job whose output is a file."""


def main() -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        model = find.model(find.FAST)
        job = {name: Path(folder) / name for name in ("source.jpg", "target.jpg", "previews")}
        job["previews"].mkdir()
        write_photo(job["source.jpg"])
        with Worker("apps.ui.worker", {"models": [loading.place_of(model)]}, JobLimits()) as worker:
            _print_cost(Upscaler(model), worker, job)
            _print_restart(worker, job)


def _print_cost(upscaler: Upscaler, worker: Worker, job: dict[str, Path]) -> None:
    source, target, previews = job.values()

    def here() -> None:
        list(double_file(upscaler, source, target, watch=Previews(previews)))

    variants: list[Callable[[], object]] = [here, lambda: list(worker.run("double", _arguments(job), Nothing))]
    rounds = [[(seconds(variant), _cpu_seconds(variant)) for variant in variants] for _ in range(ROUNDS)]
    print("| 12 megapixels to 48, with previews | seconds | ratio | CPU seconds | ratio |\n|---|---|---|---|---|")
    least = [tuple(map(min, zip(*column, strict=True))) for column in zip(*rounds, strict=True)]
    for name, (taken, cpu) in zip(("in the same process", "by the worker"), least, strict=True):
        print(f"| {name} | {taken:.2f} | {taken / least[0][0]:.3f} | {cpu:.2f} | {cpu / least[0][1]:.3f} |")


def _cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of `work` in this process and its children, which other programs affect less."""

    def so_far() -> float:
        own = psutil.Process()
        return sum(sum(process.cpu_times()[:2]) for process in (own, *own.children()))

    before = so_far()
    work()
    return so_far() - before


def _print_restart(worker: Worker, job: dict[str, Path]) -> None:
    def restart() -> None:
        running = worker.run("double", _arguments(job), Nothing)
        next(running)
        running.close()
        worker.start()

    soonest = min(map(seconds, [restart] * ROUNDS))
    print(f"\nfrom a killed job to the next ready worker: {soonest:.2f} s")


def _arguments(job: dict[str, Path]) -> dict[str, object]:
    paths = {path.stem: str(path) for path in job.values()}
    return {"model": find.FAST, "options": asdict(Options()), **paths}


if __name__ == "__main__":
    main()
