"""Overview of a folder: its parts, runs and models, with sizes, scores, and what is missing."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from ensemble_pipeline.config import StatusConfig
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline import shards, verify
from feature_pipeline.tally import Tally
from training_pipeline.folder import CHECKPOINTS, LOG, RUN, Kind, kind
from upscaler.errors import ModelError
from upscaler.model import artifact

HEAD = ("folder", "content", "shards", "pictures", "tiles", "MB", "steps", "PSNR Y, dB", "missing")
TEXTS = ("folder", "content", "missing")  # columns that are aligned to the left


@dataclass(frozen=True)
class Row:
    """A part, a run or a model; None is unknown.

    `megabytes`: of all files. `psnr`: the best on the validation tiles, in dB.
    """

    folder: str
    content: str
    shards: int | None = None
    pictures: int | None = None
    tiles: int | None = None
    megabytes: float | None = None
    steps: int | None = None
    psnr: float | None = None
    missing: str = ""


def run(config: StatusConfig) -> None:
    """Print the table. Raises EnsembleError if there is nothing to show."""
    rows = list(_rows(config.folder))
    if not rows:
        raise EnsembleError(f"{config.folder} has no tile shards, runs or models; give a folder that holds some")
    print(table([*rows, total(rows)]))


def table(rows: Sequence[Row]) -> str:
    """Format the rows as aligned columns."""
    columns = []
    for name, *values in zip(HEAD, *map(astuple, rows), strict=True):
        cells = [name, *map(_cell, values)]
        width = max(map(len, cells))
        columns.append([cell.ljust(width) if name in TEXTS else cell.rjust(width) for cell in cells])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def total(rows: Sequence[Row]) -> Row:
    """Add up the parts, and the bytes of all; the score is the best."""
    parts = [row for row in rows if row.shards is not None]
    return Row(
        "total",
        f"{len(parts)} parts, {len(rows) - len(parts)} runs and models",
        shards=sum(part.shards or 0 for part in parts),
        pictures=sum(part.pictures or 0 for part in parts),
        tiles=sum(part.tiles or 0 for part in parts),
        megabytes=sum(row.megabytes or 0 for row in rows),
        psnr=max((row.psnr for row in rows if row.psnr is not None), default=None),
        missing=f"{sum(bool(row.missing) for row in rows)} unfinished" if any(row.missing for row in rows) else "",
    )


def _rows(top: Path) -> Iterator[Row]:
    describe = {Kind.SHARDS: _part, Kind.RUN: _run, Kind.COMBINED: _model, Kind.MODEL: _model}
    for folder in (top, *sorted(path for path in top.rglob("*") if path.is_dir())):
        found = _kind(folder)
        is_jpeg_network = found is Kind.MODEL and (folder.parent / artifact.CONFIG).exists()
        if found in describe and not is_jpeg_network:
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
            yield Row(str(folder), found.value, megabytes=size, **describe[found](folder))


def _kind(folder: Path) -> Kind | None:
    """The kind of a folder; a part before its first shard has settings only."""
    found = kind(folder)
    return Kind.SHARDS if found is Kind.MODEL and shards.is_part(folder) else found


def _part(folder: Path) -> dict[str, Any]:
    missing = next(verify.problems_of(folder), "")
    totals = Tally.of(shards.finished(folder)) if missing else shards.read_manifest(folder)
    return {
        "shards": len(totals.shards),
        "pictures": totals.pictures_taken,
        "tiles": totals.tiles,
        "missing": missing,
    }


def _run(folder: Path) -> dict[str, Any]:
    rows = [json.loads(line) for line in _text(folder / LOG).splitlines()]
    kept = (int(path.stem.removeprefix("step-")) for path in (folder / CHECKPOINTS).glob("step-*.pt"))
    steps = max([0, *kept, *(row["step"] for row in rows)])
    wanted = json.loads(_text(folder / RUN) or "{}").get("steps")
    left = f"{wanted - steps:,} steps" if wanted and wanted > steps else "its last evaluation"
    best = max((row["psnr_y"] for row in rows), default=None)
    return {"steps": steps, "psnr": best, "missing": "" if (folder / artifact.CONFIG).exists() else left}


def _model(folder: Path) -> dict[str, Any]:
    try:
        model = artifact.read(folder)
    except ModelError as error:
        return {"missing": str(error)}
    score = model.metrics.get("validation", {}).get("psnr_y")
    return {"steps": sum(member.steps for member in model.config.members), "psnr": score}


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.exists() else ""


def _cell(value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
