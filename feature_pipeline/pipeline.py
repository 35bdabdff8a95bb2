"""Parts of Open Images -> folders of tile shards."""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import chain, count, islice
from multiprocessing import get_context
from pathlib import Path

from tqdm import tqdm

from feature_pipeline import samples, shards, source
from feature_pipeline.manifest import MANIFEST, Manifest, Settings, ShardSummary
from feature_pipeline.samples import Outcome
from feature_pipeline.shards import ShardRecord
from feature_pipeline.source import File, PartStream
from upscaler.atomic import write_text

AHEAD = 4  # pictures in the queue for each worker


@dataclass(frozen=True)
class Config:
    """Which parts to take, how much of each, and where from and to."""

    parts: tuple[str, ...]
    out: Path
    endpoint_url: str | None = None
    images: int | None = None
    tiles_per_image: int = 4
    workers: int = 1
    pictures_per_shard: int = 100

    def settings(self, part: str) -> Settings:
        """What of this decides the bytes of a part."""
        return Settings(
            part=part,
            images=self.images,
            tiles_per_image=self.tiles_per_image,
            pictures_per_shard=self.pictures_per_shard,
        )


def run(config: Config) -> None:
    """Make the shards of all parts; what is there already stays. Raises FeatureError."""
    for part in config.parts:
        folder = config.out / part
        if not (folder / MANIFEST).exists():
            run_part(config, part, folder)
        print(_summary(shards.read_manifest(folder)))


def run_part(config: Config, part: str, folder: Path) -> None:
    """Make what is missing of one part's shards, then its manifest."""
    started = time.monotonic()
    settings = config.settings(part)
    records = shards.finished(folder)
    stream = PartStream(source.connect(config.endpoint_url), part)
    done = sum(len(record.pictures) for record in records)
    files = islice(source.files(stream, passed_over=done), config.images and config.images - done)
    with ProcessPoolExecutor(config.workers, get_context("spawn")) as pool:
        outcomes = iter(tqdm(_in_order(pool, files, settings), unit="picture", desc=part, leave=False))
        for number in count(len(records)):
            batch = list(islice(outcomes, 1))
            if not batch:
                break
            with shards.writing(shards.shard_path(folder, number)) as writer:
                for outcome in chain(batch, islice(outcomes, config.pictures_per_shard - 1)):
                    writer.add(*outcome)
    manifest = _manifest(settings, shards.finished(folder), stream.position, time.monotonic() - started)
    write_text(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")


def _in_order(pool: ProcessPoolExecutor, files: Iterable[File], settings: Settings) -> Iterator[Outcome]:
    """Spread the pictures over the workers, a bounded number at a time; outcomes come in the order of the tar."""
    waiting: deque[Future[Outcome]] = deque()
    for file in files:
        waiting.append(pool.submit(samples.make, file, settings))
        if len(waiting) > AHEAD * 2:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _manifest(settings: Settings, records: list[ShardRecord], source_bytes: int, seconds: float) -> Manifest:
    pictures = [picture for record in records for picture in record.pictures]
    rejected: Counter[str] = Counter()
    for picture in pictures:
        rejected.update(picture.rejected)
    return Manifest(
        settings=settings,
        code_version=_code_version(),
        pictures=len(pictures),
        pictures_taken=sum(picture.skipped is None for picture in pictures),
        tiles=sum(picture.tiles for picture in pictures),
        skipped=Counter(picture.skipped for picture in pictures if picture.skipped),
        rejected=rejected,
        source_bytes=source_bytes,
        seconds=round(seconds, 1),
        shards=tuple(
            ShardSummary(file=record.file, samples=len(record.samples), sha256=record.sha256) for record in records
        ),
    )


def _summary(manifest: Manifest) -> str:
    return (
        f"{manifest.settings.part}: {manifest.tiles} tiles of {manifest.pictures_taken} pictures in "
        f"{len(manifest.shards)} shards; {manifest.pictures - manifest.pictures_taken} pictures skipped; "
        f"{manifest.source_bytes / 1e6:.1f} MB read in {manifest.seconds:.0f} s"
    )


def _code_version() -> str:
    try:
        return version("double-resolution")
    except PackageNotFoundError:
        return "not installed"
