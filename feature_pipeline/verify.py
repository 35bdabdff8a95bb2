"""Verification of shards against their manifests: every hash, total and sample."""

from collections.abc import Iterator
from pathlib import Path

from feature_pipeline import shards
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import ATTRIBUTION, CONFIG, MANIFEST, Manifest
from feature_pipeline.tally import Tally
from feature_pipeline.tiles import SIZE
from upscaler.links import followed
from upscaler.model.artifact import sha256


def run(folder: Path) -> None:
    """Verify a part, or all parts in a folder, and print a line for each. Raises FeatureError if there are problems."""
    problems = 0
    for part in _parts(folder):
        found = [*problems_of(part), *_content_problems(part)]
        problems += len(found)
        name = followed(part).name
        print("\n".join(f"{name}: {problem}" for problem in found) or f"{name}: matches its manifest")
    if problems:
        raise FeatureError(
            f"{folder} does not match its manifests ({problems} problems); run the command that made them again"
        )


def is_finished(part: Path) -> bool:
    """Return True if a part needs no further work, as far as can be seen without reading its tars."""
    return not any(problems_of(part))


def _parts(folder: Path) -> list[Path]:
    parts = [path for path in (folder, *sorted(folder.glob("*"))) if shards.is_part(path)]
    if not parts:
        raise shards.none_in(folder)
    return parts


def problems_of(part: Path) -> Iterator[str]:
    """Yield what the command that made the part repairs."""
    if not (part / MANIFEST).exists():
        yield "is not finished; run the same command again to resume"
        return
    try:
        manifest = shards.read_manifest(part)
        settings = shards.read_settings(part) if (part / CONFIG).exists() else manifest.settings
    except FeatureError as error:
        yield str(error)
        return
    if settings != manifest.settings:
        yield "has fewer pictures than it is to have; run the same command again to resume"
    totals = Tally.of(shards.finished(part))
    recorded = {summary.file for summary in totals.shards}
    for summary in manifest.shards:
        if summary.file not in recorded:
            yield f"{summary.file}, its record or a shard before it is missing, broken or has the wrong length"
    yield from _sum_problems(part, manifest, totals)


def _content_problems(part: Path) -> Iterator[str]:
    """Yield what that command repairs only if the shard is removed."""
    for record in shards.finished(part):
        if sha256(part / record.file) != record.sha256:
            yield f"{record.file} has the wrong SHA-256; remove it"
        else:
            yield from _sample_problems(part / record.file)


def _sample_problems(tar: Path) -> Iterator[str]:
    for spans in shards.read_record(shards.record_path(tar)).samples:
        try:
            sample = shards.load(shards.Entry(tar, spans))
        except FeatureError as error:
            yield str(error)
            continue
        if sample.hr.shape[:2] != (SIZE, SIZE) or sample.lr.shape[:2] != (SIZE // 2, SIZE // 2):
            yield f"{sample.key} in {tar.name} has the wrong size"


def _sum_problems(part: Path, manifest: Manifest, totals: Tally) -> Iterator[str]:
    for name, value in totals.fields().items():
        if getattr(manifest, name) != value:
            yield f"the manifest's {name} differs from the shards'"
    credited = part / ATTRIBUTION
    if manifest.attribution_sha256 and (not credited.exists() or sha256(credited) != manifest.attribution_sha256):
        yield f"{ATTRIBUTION} is missing or has the wrong SHA-256"
