"""Overview of a folder: its parts, runs and models, with sizes, scores, and what is missing."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from ensemble_pipeline.config import StatusConfig
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline import shards, verify
from feature_pipeline.tally import Tally
from training_pipeline import journal
from training_pipeline.folder import Kind, checkpoints, kind, recorded
from training_pipeline.measured import checked
from upscaler.command import sentence_for
from upscaler.errors import DoubleResolutionError
from upscaler.model import artifact

HEAD = ("folder", "content", "shards", "pictures", "tiles", "MB", "steps", "PSNR Y, dB", "missing")
TEXTS = ("folder", "content", "missing")  # columns that are aligned to the left

Describe = Callable[[Path], dict[str, Any]]


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
    for folder in (top, *sorted(path for path in top.rglob("*") if path.is_dir())):
        try:
            row = _row(folder)
        except OSError as error:
            row = Row(str(folder), "unknown", missing=sentence_for(error))
        if row:
            yield row


def _row(folder: Path) -> Row | None:
    """Return the row of a folder; None if it holds none of the kinds."""
    describe = {Kind.SHARDS: _part, Kind.RUN: _run, Kind.COMBINED: _model, Kind.MODEL: _model}
    found = kind(folder)
    is_jpeg_network = found is Kind.MODEL and (folder.parent / artifact.CONFIG).exists()
    if found not in describe or is_jpeg_network:
        return None
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
    return Row(str(folder), found.value, megabytes=size, **_described(describe[found], folder))


def _described(describe: Describe, folder: Path) -> dict[str, Any]:
    """Return the values of a folder's row; of one that cannot be read, the reason alone."""
    try:
        return describe(folder)
    except DoubleResolutionError as error:
        return {"missing": str(error)}


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
    rows = journal.read(folder)
    steps = max([0, *checkpoints(folder), *(row["step"] for row in rows)])
    wanted = (recorded(folder) or {}).get("steps")
    left = f"{wanted - steps:,} steps" if wanted and wanted > steps else "its last evaluation"
    best = max((row["psnr_y"] for row in rows), default=None)
    return {"steps": steps, "psnr": best, "missing": "" if (folder / artifact.CONFIG).exists() else left}


def _model(folder: Path) -> dict[str, Any]:
    model = checked(artifact.read(folder))
    score = model.metrics.get("validation", {}).get("psnr_y")
    return {"steps": sum(member.steps for member in model.config.members), "psnr": score}


def _cell(value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.2f}"
