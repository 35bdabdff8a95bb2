"""The scoreboard, written and read: a folder with scoreboard.json, and the table and the picture made of it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from training_pipeline import drawings
from training_pipeline.errors import TrainingError
from upscaler.atomic import write_text
from upscaler.metrics import Score

JSON, TABLE, CURVES = "scoreboard.json", "scoreboard.md", "learning_curves.png"


class Record(BaseModel):
    """A JSON object of which every field is known; a score may be infinite."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class Row(Record):
    """One version. `changed`: what it tries. `curve`: (step, PSNR on the validation tiles) of its run."""

    version: str
    changed: str
    revision: str
    parameters: int
    steps: int
    score: Score
    curve: tuple[tuple[int, float], ...] = ()


class FinalTest(Record):
    """The one look at the part of the test set that no row was scored on. `time`: ISO 8601."""

    model: str
    revision: str
    pictures: int
    tiles: int
    score: Score
    bicubic: Score
    time: str


class Scoreboard(Record):
    """`test`: a hash of the tiles that rows are scored on; `bicubic`: what plain interpolation scores on them."""

    test: str
    bicubic: Score
    rows: tuple[Row, ...] = ()
    final_test: FinalTest | None = None

    def with_row(self, row: Row) -> "Scoreboard":
        """With one more row; one of the same version is replaced where it stands."""
        rows = {old.version: old for old in self.rows} | {row.version: row}
        return self.model_copy(update={"rows": tuple(rows.values())})


def read(folder: Path) -> Scoreboard | None:
    """The scoreboard in a folder, or None if there is none yet. Raises TrainingError if it cannot be read."""
    path = folder / JSON
    if not path.exists():
        return None
    try:
        return Scoreboard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise TrainingError(f"{path} is not a scoreboard that can be read; move it away to begin another") from error


def write(folder: Path, board: Scoreboard) -> None:
    """Write the table, the learning curves and, last, the JSON that they are made of."""
    write_text(folder / TABLE, table(board))
    drawings.draw_curves({row.version: row.curve for row in board.rows if row.curve}, folder / CURVES)
    write_text(folder / JSON, board.model_dump_json(indent=1) + "\n")


def table(board: Scoreboard) -> str:
    """The scoreboard as Markdown; bold is what is better than in every row before."""
    lines = [
        "| version | PSNR Y, dB | SSIM Y | cross-entropy above the floor | parameters | steps | what was changed |",
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
    """The better of each measure."""
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
