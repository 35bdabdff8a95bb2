"""Reader and writer of the scoreboard: a folder with scoreboard.json, its table and its learning curves."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from pydantic import BaseModel, ConfigDict, ValidationError

from training_pipeline import bootstrap, drawings
from training_pipeline.bootstrap import Interval
from training_pipeline.errors import TrainingError
from upscaler.atomic import write_text
from upscaler.metrics import Score

JSON, TABLE, CURVES = "scoreboard.json", "scoreboard.md", "learning_curves.png"

Scores = Sequence[Score]  # one for each picture
Measure = Callable[[Score], float]

_MEASURES: tuple[Measure, ...] = (  # higher is better
    lambda score: score.psnr_y,
    lambda score: score.ssim_y,
    lambda score: -score.cross_entropy_above_floor,
)
_BOLD = (
    "Bold: better than the best row before, and the 95 % bootstrap interval of the paired difference excludes 0 "
    '(for PSNR it is in the column "to the best before", in dB).'
)
_UNRECORDED = "† The model has no complete record of the pictures it learned from; they may be among these."


class Record(BaseModel):
    """A JSON object without unknown fields; a score may be infinite."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="constants")


class Row(Record):
    """A version. `changed`: its difference from the first. `scores`: one for each picture.

    `recorded`: False if the model has no complete record of what it learned from. `curve`: (step, PSNR on the
    validation tiles) of its run.
    """

    version: str
    changed: str
    revision: str
    parameters: int
    steps: int
    scores: tuple[Score, ...]
    recorded: bool = True
    curve: tuple[tuple[int, float], ...] = ()


class FinalTest(Record):
    """The only test of a version of the program on the pictures that no row was scored on.

    `interval`: 95 % of the mean PSNR (Y). `time`: ISO 8601.
    """

    version: str
    model: str
    revision: str
    pictures: int
    tiles: int
    score: Score
    interval: Interval
    bicubic: Score
    time: str


class Scoreboard(Record):
    """The rows of a test set. `test`: hash of all its shards. `bicubic`: scores of interpolation."""

    test: str
    bicubic: tuple[Score, ...]
    rows: tuple[Row, ...] = ()
    final_tests: tuple[FinalTest, ...] = ()

    def with_row(self, row: Row) -> "Scoreboard":
        """Return a scoreboard with the row added, or replaced in place if its version exists."""
        rows = {old.version: old for old in self.rows} | {row.version: row}
        return self.model_copy(update={"rows": tuple(rows.values())})

    def with_final_test(self, test: FinalTest) -> "Scoreboard":
        """Return a scoreboard with the final test added."""
        return self.model_copy(update={"final_tests": (*self.final_tests, test)})

    def final_test_of(self, version: str) -> FinalTest | None:
        """Return the final test of a version of the program, or None."""
        return next((test for test in self.final_tests if test.version == version), None)


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
    write_text(folder / JSON, board.model_dump_json() + "\n")


def table(board: Scoreboard) -> str:
    """Format the scoreboard as Markdown.

    A value is bold if it is better than that of the best row before, and the 95 % interval of the paired difference
    excludes 0.
    """
    lines = [
        "| version | PSNR Y, dB | 95 % interval | to the best before | SSIM Y | cross-entropy above the floor "
        "| parameters | steps | change |",
        "|---|---|---|---|---|---|---|---|---|",
        f"| bicubic | {_cells(board.bicubic, [])} | 0 | 0 | interpolation, nothing learned |",
    ]
    before = [board.bicubic]
    for row in board.rows:
        name = row.version if row.recorded else f"{row.version} †"
        cells = _cells(row.scores, before)
        lines.append(f"| {name} | {cells} | {row.parameters:,} | {row.steps:,} | {row.changed} |")
        before.append(row.scores)
    lines += ["", f"Means over {len(board.bicubic)} pictures. {_BOLD}"]
    if not all(row.recorded for row in board.rows):
        lines += ["", _UNRECORDED]
    for test in board.final_tests:
        lines += ["", sentence(test)]
    return "\n".join(lines) + "\n"


def sentence(test: FinalTest) -> str:
    """Describe a final test in one sentence."""
    low, high = test.interval
    return (
        f"Final test of {test.model} ({test.revision}), version {test.version}, {test.time[:10]}, on the "
        f"{test.pictures:,} pictures ({test.tiles:,} tiles) that no row was scored on: {_measures(test.score)} (95 %: "
        f"{low:.2f} to {high:.2f} dB); bicubic interpolation: {_measures(test.bicubic)}."
    )


def _cells(scores: Scores, before: Sequence[Scores]) -> str:
    psnr, ssim, entropy = ([measure(score) for score in scores] for measure in _MEASURES)
    low, high = bootstrap.interval(psnr)
    texts = [f"{fmean(psnr):.2f}", f"{fmean(ssim):.4f}", f"{-fmean(entropy):.2%}"]
    gains = [_gain(scores, before, measure) for measure in _MEASURES] if before else [(0.0, 0.0)] * 3
    bold = [f"**{text}**" if gain[0] > 0 else text for text, gain in zip(texts, gains, strict=True)]
    gain = f"{gains[0][0]:+.2f} to {gains[0][1]:+.2f}" if before else ""
    return " | ".join([bold[0], f"{low:.2f} to {high:.2f}", gain, *bold[1:]])


def _gain(scores: Scores, before: Sequence[Scores], measure: Measure) -> Interval:
    """Return the interval of the paired difference to the best of the rows before."""
    best = max(([measure(score) for score in other] for other in before), key=fmean)
    return bootstrap.of_difference([measure(score) for score in scores], best)


def _measures(score: Score) -> str:
    return (
        f"{score.psnr_y:.2f} dB PSNR (Y), SSIM {score.ssim_y:.4f}, "
        f"cross-entropy {score.cross_entropy_above_floor:.2%} above the floor"
    )
