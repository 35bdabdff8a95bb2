"""Models scored on the test set: each version on its first 10 %, the one that is chosen on the rest, once."""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from feature_pipeline import shards
from feature_pipeline.shards import Entry
from training_pipeline import data, journal, scoreboard
from training_pipeline.commands import ScoringConfig
from training_pipeline.errors import TrainingError
from training_pipeline.scoreboard import FinalTest, Row, Scoreboard
from training_pipeline.train import RUN
from upscaler import Upscaler, bicubic, metrics
from upscaler.metrics import Score
from upscaler.model import find
from upscaler.model.artifact import Artifact
from upscaler.pixels import Pixels

FIRST = 0.1  # of the test set's pictures


def add(config: ScoringConfig) -> Row:
    """Score a model on the first 10 % and write its row.

    Raises TrainingError if pictures of the test set were learned from, or the other rows have another test set.
    """
    model = find.model(config.model)
    tiles, _ = parts(config.test)
    check_not_learned(model, tiles)
    board = scoreboard.read(config.scoreboard) or Scoreboard(test=_hash(tiles), bicubic=score(bicubic.double, tiles))
    if board.test != _hash(tiles):
        raise TrainingError(f"the rows in {config.scoreboard} were scored on other tiles; give another --scoreboard")
    row = Row(
        version=config.version or model.name,
        changed=config.changed,
        revision=model.revision,
        parameters=sum(array.size for array in model.weights().values()),
        steps=sum(member.steps for member in model.config.members),
        score=score(Upscaler(model).upscale, tiles),
        curve=tuple((line["step"], line["psnr_y"]) for line in journal.read(model.folder)),
    )
    scoreboard.write(config.scoreboard, board.with_row(row))
    print(f"{row.version}: {row.score.psnr_y:.2f} dB PSNR (Y); bicubic interpolation: {board.bicubic.psnr_y:.2f}")
    return row


def final_test(config: ScoringConfig) -> FinalTest:
    """Score the chosen model on the other 90 %, and record that and when.

    Raises TrainingError if there is nothing to choose from, or if another model was tested: whoever chooses by a
    test needs another to know how good the choice is.
    """
    board = scoreboard.read(config.scoreboard)
    if board is None:
        raise TrainingError(f"{config.scoreboard} holds no scoreboard; score the models to choose from first")
    model = find.model(config.model)
    if board.final_test and board.final_test.revision != model.revision:
        raise TrainingError(
            f"the final test was made, with {board.final_test.model} ({board.final_test.revision}), and is recorded; "
            "another model needs another test set"
        )
    first, tiles = parts(config.test)
    check_not_learned(model, first + tiles)
    result = FinalTest(
        model=model.name,
        revision=model.revision,
        pictures=len(data.pictures(tiles)),
        tiles=len(tiles),
        score=score(Upscaler(model).upscale, tiles),
        bicubic=score(bicubic.double, tiles),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    scoreboard.write(config.scoreboard, board.model_copy(update={"final_test": result}))
    print(f"{result.model}: {result.score.psnr_y:.2f} dB PSNR (Y); bicubic interpolation: {result.bicubic.psnr_y:.2f}")
    return result


def parts(test: Path) -> tuple[list[Entry], list[Entry]]:
    """The tiles of the first 10 % of the test set's pictures, one at least, and the rest.

    Raises FeatureError if there are no shards, TrainingError if they hold fewer than two pictures.
    """
    tiles = shards.index(test)
    pictures = list(dict.fromkeys(data.image_id(tile) for tile in tiles))
    if len(pictures) < 2:
        raise TrainingError(f"a test set needs two pictures at least, and {test} holds {len(pictures)}; make more")
    first = set(pictures[: max(1, round(FIRST * len(pictures)))])
    return [t for t in tiles if data.image_id(t) in first], [t for t in tiles if data.image_id(t) not in first]


def check_not_learned(model: Artifact, tiles: list[Entry]) -> None:
    """Raise TrainingError if the run that made the model, where its shards are at hand, learned from the pictures."""
    recorded = model.folder / RUN
    if recorded.exists():
        folders = map(Path, json.loads(recorded.read_text(encoding="utf-8"))["shards"])
        learned = [entry for folder in folders if folder.is_dir() for entry in shards.index(folder)]
        data.check_apart(learned, tiles, "test")


def score(double: Callable[[Pixels], Pixels], tiles: list[Entry]) -> Score:
    """The mean over the tiles of what `double` makes of the small ones."""
    samples = map(data.load, tqdm(tiles, desc="scoring", unit="tile", leave=False))
    return metrics.mean([metrics.score(double(sample.small), sample.large) for sample in samples])


def _hash(tiles: list[Entry]) -> str:
    return hashlib.sha256("\n".join(tile.key for tile in tiles).encode()).hexdigest()
