"""Scoring on the test set: each version on the first part of it, the chosen one on the rest, once."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import chain

from tqdm import tqdm

from feature_pipeline import shards, tile_index
from feature_pipeline.shards import Entry
from feature_pipeline.tile_index import TileIndex
from training_pipeline import bootstrap, data, held_out, journal, scoreboard, unseen
from training_pipeline.commands import ScoringConfig
from training_pipeline.errors import TrainingError
from training_pipeline.folder import turn
from training_pipeline.scoreboard import FinalTest, Row, Scoreboard
from upscaler import Upscaler, bicubic, metrics, version
from upscaler.metrics import Score
from upscaler.model import find
from upscaler.model.artifact import Artifact
from upscaler.pixels import Pixels


def add(config: ScoringConfig) -> Row:
    """Score a model on the first part of the test set and write its row.

    Raises TrainingError if the model learned from pictures of the test set, or the scoreboard has another test set.
    """
    model = find.model(config.model)
    tiles, rest = held_out.parts(config.test)
    recorded = unseen.check_for_test(model, shards.pictures(chain(tiles, rest)), config.test)
    board = scoreboard.read(config.scoreboard)
    if board is None:
        board = Scoreboard(test=tile_index.digest([tiles]), bicubic=scores(bicubic.double, tiles))
    _check_same_test_set(board, tiles, config)
    row = Row(
        version=config.version or model.name,
        changed=config.changed,
        revision=model.revision,
        parameters=sum(array.size for array in model.weights().values()),
        steps=sum(member.steps for member in model.config.members),
        scores=scores(Upscaler(model, "f32").upscale, tiles),
        recorded=recorded,
        curve=tuple((line["step"], line["psnr_y"]) for line in journal.read(model.folder)),
    )
    with turn(config.scoreboard):
        board = scoreboard.read(config.scoreboard) or board  # others may have written while this one scored
        _check_same_test_set(board, tiles, config)
        scoreboard.write(config.scoreboard, board.with_row(row))
    print(f"{row.version}: {_decibels(row.scores)}; bicubic interpolation: {_decibels(board.bicubic)}")
    return row


def final_test(config: ScoringConfig) -> FinalTest:
    """Score the chosen model on the rest of the test set, and record the result and the time.

    The same model again: return what is recorded. Raises TrainingError if there is no scoreboard, the test set is not
    the scoreboard's, this version has tested another model, or the model may have learned from the pictures.
    """
    board = _existing(config)
    model = find.model(config.model)
    first, tiles = held_out.parts(config.test)
    _check_same_test_set(board, tiles, config)
    result = _recorded(board, model)
    if not unseen.check_for_test(model, shards.pictures(chain(first, tiles)), config.test):
        raise TrainingError(f"{model.name} has no complete record of the pictures it learned from; train it again")
    if result is None:
        result = _record(_tested(model, tiles), model, tiles, config)
    print(scoreboard.sentence(result))
    return result


def scores(double: Callable[[Pixels], Pixels], tiles: Sequence[Entry]) -> tuple[Score, ...]:
    """Return a score of `double` for each picture, the mean of its tiles."""
    samples = map(data.load, tqdm(tiles, desc="scoring", unit="tile", leave=False))
    scored = (metrics.score(double(sample.lr), sample.hr) for sample in samples)
    return tuple(metrics.by_picture(zip((tile.image_id for tile in tiles), scored, strict=True)))


def _record(test: FinalTest, model: Artifact, tiles: TileIndex, config: ScoringConfig) -> FinalTest:
    """Record a final test, unless another process has recorded one of the model; return the recorded one."""
    with turn(config.scoreboard):
        board = _existing(config)
        _check_same_test_set(board, tiles, config)
        if recorded := _recorded(board, model):
            return recorded
        scoreboard.write(config.scoreboard, board.with_final_test(test))
    return test


def _existing(config: ScoringConfig) -> Scoreboard:
    board = scoreboard.read(config.scoreboard)
    if board is None:
        raise TrainingError(f"{config.scoreboard} has no scoreboard; score the candidates first")
    return board


def _recorded(board: Scoreboard, model: Artifact) -> FinalTest | None:
    """Return this version's final test, None if there is none. Raises TrainingError if it is that of another model."""
    result = board.final_test_of(version.installed())
    if result and result.revision != model.revision:
        raise TrainingError(
            f"the final test of version {result.version} is recorded, of {result.model} ({result.revision}); "
            "test another model with another version"
        )
    return result


def _check_same_test_set(board: Scoreboard, tiles: TileIndex, config: ScoringConfig) -> None:
    if board.test != tile_index.digest([tiles]):
        raise TrainingError(f"the scoreboard in {config.scoreboard} has another test set; give another --scoreboard")


def _tested(model: Artifact, tiles: Sequence[Entry]) -> FinalTest:
    of_model, of_bicubic = scores(Upscaler(model, "f32").upscale, tiles), scores(bicubic.double, tiles)
    return FinalTest(
        version=version.installed(),
        model=model.name,
        revision=model.revision,
        pictures=len(of_model),
        tiles=len(tiles),
        score=metrics.mean(of_model),
        interval=bootstrap.interval([score.psnr_y for score in of_model]),
        bicubic=metrics.mean(of_bicubic),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _decibels(scored: tuple[Score, ...]) -> str:
    values = [score.psnr_y for score in scored]
    low, high = bootstrap.interval(values)
    return f"{sum(values) / len(values):.2f} dB PSNR (Y) on {len(values)} pictures (95 %: {low:.2f} to {high:.2f})"
