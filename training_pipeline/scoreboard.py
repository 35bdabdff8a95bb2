"""Reader and writer of the scoreboard: a folder with scoreboard.json, its table and its learning curves."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from training_pipeline import drawings
from training_pipeline.errors import TrainingError
from upscaler.atomic import write_text
from upscaler.metrics import Score

JSON, TABLE, CURVES = "scoreboard.json", "scoreboard.md", "learning_curves.png"


class Record(BaseModel):
    """A JSON object without unknown fields; a score may be infinite."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class Row(Record):
    """A version. `changed`: its difference from the first. `curve`: (step, PSNR on the validation tiles) of its run."""

    version: str
    changed: str
    revision: str
    parameters: int
    steps: int
    score: Score
    curve: tuple[tuple[int, float], ...] = ()


class FinalTest(Record):
    """The single test on the part of the test set that no row was scored on. `time`: ISO 8601."""

    model: str
    revision: str
    pictures: int
    tiles: int
    score: Score
    bicubic: Score
    time: str


class Scoreboard(Record):
    """The rows of a test set. `test`: hash of the tiles that rows are scored on. `bicubic`: score of interpolation."""

    test: str
    bicubic: Score
    rows: tuple[Row, ...] = ()
    final_test: FinalTest | None = None

    def with_row(self, row: Row) -> "Scoreboard":
        """Return a scoreboard with the row added, or replaced in place if its version exists."""
        rows = {old.version: old for old in self.rows} | {row.version: row}
        return self.model_copy(update={"rows": tuple(rows.values())})


def read(folder: Path) -> Scoreboard | None:
    """Read the scoreboard in a folder; None if there is none. Raises TrainingError if it is broken."""
    path = folder / JSON
    if not path.exists():
        return None
    try:
        return Scoreboard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise TrainingError(f"{path} is not a valid scoreboard; move it away to start a new one") from error


def write(folder: Path, board: Scoreboard) -> None:
    """Write the table, the learning curves and, last, their JSON."""
    write_text(folder / TABLE, table(board))
    drawings.draw_curves({row.version: row.curve for row in board.rows if row.curve}, folder / CURVES)
    write_text(folder / JSON, board.model_dump_json(indent=1) + "\n")


def table(board: Scoreboard) -> str:
    """Format the scoreboard as Markdown; values better than in all rows before are bold."""
    lines = [
        "| version | PSNR Y, dB | SSIM Y | cross-entropy above the floor | parameters | steps | change |",
        "|---|---|---|---|---|---|---|",
        f"| bicubic | {_cells(board.bicubic, board.bicubic)} | 0 | 0 | interpolation, nothing learned |",
    ]
    best = board.bicubic
    for row in board.rows:
        cells = _cells(row.score, best)
        lines.append(f"| {row.version} | {cells} | {row.parameters:,} | {row.steps:,} | {row.changed} |")
        best = _better(best, row.score)
    if board.final_test:
        lines += ["", _sentence(board.final_test)]
    return "\n".join(lines) + "\n"


def _cells(score: Score, best: Score) -> str:
    measures = [
        (f"{score.psnr_y:.2f}", score.psnr_y > best.psnr_y),
        (f"{score.ssim_y:.4f}", score.ssim_y > best.ssim_y),
        (f"{score.cross_entropy_above_floor:.2%}", score.cross_entropy_above_floor < best.cross_entropy_above_floor),
    ]
    return " | ".join(f"**{text}**" if better else text for text, better in measures)


def _better(a: Score, b: Score) -> Score:
    """Return the better of each measure."""
    return Score(
        psnr_y=max(a.psnr_y, b.psnr_y),
        ssim_y=max(a.ssim_y, b.ssim_y),
        psnr_rgb=max(a.psnr_rgb, b.psnr_rgb),
        cross_entropy=min(a.cross_entropy, b.cross_entropy),
        cross_entropy_above_floor=min(a.cross_entropy_above_floor, b.cross_entropy_above_floor),
    )


def _sentence(test: FinalTest) -> str:
    return (
        f"Final test of {test.model} ({test.revision}), {test.time[:10]}, on the {test.tiles:,} tiles of "
        f"{test.pictures:,} pictures that no row was scored on: {_measures(test.score)}; bicubic interpolation: "
        f"{_measures(test.bicubic)}."
    )


def _measures(score: Score) -> str:
    return (
        f"{score.psnr_y:.2f} dB PSNR (Y), SSIM {score.ssim_y:.4f}, "
        f"cross-entropy {score.cross_entropy_above_floor:.2%} above the floor"
    )
