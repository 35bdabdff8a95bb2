"""Scoring on the test set: each version on the first 10 % of it, the chosen one on the rest, once."""

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
from training_pipeline.folder import RUN
from training_pipeline.scoreboard import FinalTest, Row, Scoreboard
from upscaler import Upscaler, bicubic, metrics
from upscaler.metrics import Score
from upscaler.model import find
from upscaler.model.artifact import Artifact
from upscaler.pixels import Pixels

FIRST = 0.1  # of the test set's pictures


def add(config: ScoringConfig) -> Row:
    """Score a model on the first 10 % of the test set and write its row.

    Raises TrainingError if training used pictures of the test set, or the other rows have another test set.
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
    """Score the chosen model on the other 90 %, and record the result and the time.

    Raises TrainingError if there is no scoreboard, or if another model was tested: a test set that selected a model
    cannot measure it.
    """
    board = scoreboard.read(config.scoreboard)
    if board is None:
        raise TrainingError(f"{config.scoreboard} has no scoreboard; score the candidates first")
    model = find.model(config.model)
    if board.final_test and board.final_test.revision != model.revision:
        raise TrainingError(
            f"the final test is already recorded, of {board.final_test.model} ({board.final_test.revision}); "
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
    """Split the tiles into those of the first 10 % of the test set's pictures, at least one, and the rest.

    Raises FeatureError if there are no shards, TrainingError if they have fewer than two pictures.
    """
    tiles = shards.index(test)
    pictures = list(dict.fromkeys(data.image_id(tile) for tile in tiles))
    if len(pictures) < 2:
        raise TrainingError(f"a test set needs at least two pictures, and {test} has {len(pictures)}; make more")
    first = set(pictures[: max(1, round(FIRST * len(pictures)))])
    return [t for t in tiles if data.image_id(t) in first], [t for t in tiles if data.image_id(t) not in first]


def check_not_learned(model: Artifact, tiles: list[Entry]) -> None:
    """Raise TrainingError if the model's run, as far as its shards are available, used the tiles' pictures."""
    recorded = model.folder / RUN
    if recorded.exists():
        folders = map(Path, json.loads(recorded.read_text(encoding="utf-8"))["shards"])
        trained_on = [entry for folder in folders if folder.is_dir() for entry in shards.index(folder)]
        data.check_apart(trained_on, tiles, "test")


def score(double: Callable[[Pixels], Pixels], tiles: list[Entry]) -> Score:
    """Return the mean score of `double` over the tiles."""
    samples = map(data.load, tqdm(tiles, desc="scoring", unit="tile", leave=False))
    return metrics.mean([metrics.score(double(sample.lr), sample.hr) for sample in samples])


def _hash(tiles: list[Entry]) -> str:
    return hashlib.sha256("\n".join(tile.key for tile in tiles).encode()).hexdigest()
