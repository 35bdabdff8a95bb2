"""The feature pipeline: parts of Open Images to folders of tile shards."""

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, Never

from tqdm import tqdm

from cluster.lock import locked
from feature_pipeline import attribution, shards, source, verify, workers
from feature_pipeline.attribution import Listed
from feature_pipeline.config import FeatureConfig
from feature_pipeline.duplicates import Taken
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import ATTRIBUTION, CONFIG, MANIFEST, SOURCE, Manifest, Settings, Source
from feature_pipeline.samples import Outcome
from feature_pipeline.source import PartStream
from feature_pipeline.tally import Tally
from upscaler import version
from upscaler.atomic import write_text
from upscaler.model.artifact import sha256
from upscaler.options import describe


def run(config: FeatureConfig) -> None:
    """Make the missing shards of all parts. Raises FeatureError, and InUseError if another process makes them."""
    if shards.is_part(config.out):
        raise FeatureError(f"{config.out} is a part, and can hold no other; give the folder of the parts as --out")
    lists = tuple(attribution.fetch(place, config.out) for place in config.metadata)
    hashes = tuple(sha256(path) for path in lists)
    for part in config.parts:
        settings = Settings(
            part=part,
            images=config.images,
            tiles_per_image=config.tiles_per_image,
            pictures_per_shard=config.pictures_per_shard,
            augment=config.augment,
            metadata_sha256=hashes,
            unlisted=config.unlisted,
        )
        folder = config.out / part
        with locked(folder):
            _refuse_other_settings(folder, settings)
            if not (verify.is_finished(folder) and shards.read_manifest(folder).settings == settings):
                _run_part(config, settings, folder, attribution.read(lists, part))
        print(_summary(shards.read_manifest(folder)))


def _refuse_other_settings(folder: Path, settings: Settings) -> None:
    if not (folder / CONFIG).exists():
        return
    try:
        before = shards.read_settings(folder)
    except FeatureError as error:
        raise FeatureError(f"{folder} holds something else than tile shards; give another --out") from error
    for name, value in settings:
        if value != getattr(before, name) and not (name == "images" and _is_more(settings.images, before.images)):
            raise FeatureError(
                f"{folder} was made {_difference(name, getattr(before, name), value)}; "
                "give another --out, or remove the folder"
            )


def _difference(name: str, before: Any, now: Any) -> str:
    return "with another --metadata" if name == "metadata_sha256" else describe(FeatureConfig, name, before, now)


def _is_more(images: int | None, before: int | None) -> bool:
    """Return True if the first `images` pictures of a part, or all, include the first ones that were made before."""
    return before is not None and (images is None or images > before)


def _run_part(config: FeatureConfig, settings: Settings, folder: Path, listed: Listed) -> None:
    """Make the missing shards of one part, then its attribution and its manifest."""
    started = time.monotonic()
    with ExitStack() as stack:
        pictures = stack.enter_context(_bar(settings, "pictures", config.images))
        arrived = stack.enter_context(_bar(settings, "B", None))
        client = stack.enter_context(closing(source.connect(config.endpoint_url)))
        stream = stack.enter_context(PartStream(client, settings.part, arrived.update))
        origin = _origin(folder, stream.origin)
        arrived.total = origin.bytes
        write_text(folder / CONFIG, settings.model_dump_json(indent=1) + "\n")
        write_text(folder / SOURCE, origin.model_dump_json(indent=1) + "\n")
        outcomes = _outcomes(config, settings, folder, stream, listed, pictures)
        _write_shards(stack.enter_context(closing(outcomes)), settings, folder)
    _finish(settings, folder, origin, time.monotonic() - started)


def _origin(folder: Path, found: Source) -> Source:
    """Return what the part is made from. Raises FeatureError if that is another object than the one found."""
    before = shards.read_source(folder) if (folder / SOURCE).exists() else _of_earlier_version(folder, found)
    if found != before:
        raise FeatureError(
            f"{folder} was begun from {_other(before, found)}; give the --endpoint-url it was begun with, "
            "or another --out, or remove the folder"
        )
    return before


def _of_earlier_version(folder: Path, found: Source) -> Source:
    """Return the object found, but with what the manifest of a version without source.json says of it."""
    with suppress(FeatureError):
        manifest = shards.read_manifest(folder)
        named = manifest.model_dump(include={"dataset"}, exclude_unset=True)  # the first versions recorded none
        return found.model_copy(update={"bytes": manifest.source_bytes, **named})
    return found


def _other(before: Source, now: Source) -> str:
    """Describe the source before by its difference from the one now."""
    if before.bytes != now.bytes:
        return f"another tar.gz, of {before.bytes:,} bytes, not {now.bytes:,}"
    if before.etag != now.etag:
        return f"a tar.gz of the same length whose ETag is {before.etag}, not {now.etag}, so it may hold other pictures"
    return "another server, not the bucket of Open Images" if now.dataset else "the bucket of Open Images, not a copy"


def _bar(settings: Settings, unit: str, total: int | None) -> "tqdm[Never]":
    scaled = unit == "B"
    return tqdm(desc=settings.part, unit=unit, unit_scale=scaled, total=total, leave=False, smoothing=0.05)


def _outcomes(
    config: FeatureConfig, settings: Settings, folder: Path, stream: PartStream, listed: Listed, bar: "tqdm[Never]"
) -> Generator[Outcome, None, None]:
    """Yield the outcomes of the pictures that are in no finished shard, in the order of the tar."""
    taken, done = _taken_before(folder)
    bar.update(done)
    files = islice(source.files(stream, skipped=done), settings.images and settings.images - done)
    jobs = ((file, attribution.of(listed, file.name)) for file in files)
    with closing(workers.in_order(jobs, settings, config.workers)) as made:
        for record, samples in made:
            bar.update()
            if record.skipped is None and (reason := taken.repeats(record)):
                record, samples = record.model_copy(update={"tiles": 0, "rejected": {}, "skipped": reason}), ()
            if record.skipped is None:
                taken.add(record)
            yield record, samples


def _taken_before(folder: Path) -> tuple[Taken, int]:
    """Return the accepted pictures of the finished shards, and how many pictures these shards considered."""
    taken, done = Taken(), 0
    for shard in shards.finished(folder):
        done += len(shard.pictures)
        for picture in shard.pictures:
            if picture.skipped is None:
                taken.add(picture)
    return taken, done


def _write_shards(outcomes: Iterator[Outcome], settings: Settings, folder: Path) -> None:
    shards.remove_unfinished(folder, settings.pictures_per_shard)
    number = sum(1 for _ in shards.finished(folder))
    for first in outcomes:
        with shards.writing(shards.shard_path(folder, number)) as writer:
            for outcome in chain([first], islice(outcomes, settings.pictures_per_shard - 1)):
                writer.add(*outcome)
        number += 1


def _finish(settings: Settings, folder: Path, origin: Source, seconds: float) -> None:
    totals = Tally.of(shards.finished(folder))
    if not totals.tiles:
        shards.remove(folder)  # or they would refuse a command with other settings
        raise FeatureError(f"{settings.part} has no tile: {_reasons(totals)}; take more --images, or another part")
    credited = None
    if settings.metadata_sha256:
        pictures = (picture for shard in shards.finished(folder) for picture in shard.pictures)
        attribution.write_csv(folder / ATTRIBUTION, pictures)
        credited = sha256(folder / ATTRIBUTION)
    manifest = Manifest(
        settings=settings,
        code_version=version.installed(),
        source_bytes=origin.bytes,
        seconds=round(seconds, 1),
        attribution_sha256=credited,
        dataset=origin.dataset,
        **totals.fields(),
    )
    write_text(folder / MANIFEST, manifest.model_dump_json(indent=1) + "\n")


def _reasons(totals: Tally) -> str:
    counts = ", ".join(f"{count} {reason}" for reason, count in sorted(totals.skipped.items()))
    return f"of {totals.pictures} pictures, {counts}" if counts else "it has no pictures"


def _summary(manifest: Manifest) -> str:
    return (
        f"{manifest.settings.part}: {manifest.tiles} tiles of {manifest.pictures_taken} pictures in "
        f"{len(manifest.shards)} shards, {manifest.shard_bytes / 1e6:.1f} MB; "
        f"{manifest.pictures - manifest.pictures_taken} pictures skipped; {manifest.seconds:.0f} s"
    )
