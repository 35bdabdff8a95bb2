"""Models against bicubic interpolation, member by member, on pictures they have not seen: quality, speed and memory."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ensemble_pipeline import averaging, card, cost, testset
from ensemble_pipeline.config import EvaluationConfig, Kind
from ensemble_pipeline.cost import Cost
from ensemble_pipeline.testset import Pair, TestSet
from upscaler import Upscaler, bicubic, metrics
from upscaler.atomic import atomic_path, write_text
from upscaler.engines.engine import engine_for, fastest_precision
from upscaler.metrics import Score
from upscaler.model import artifact, find
from upscaler.model.artifact import Artifact, Origin
from upscaler.pictures import lossy
from upscaler.pixels import Pixels

CARD_SAMPLES, SHEET_SAMPLES = 4, 12  # rows of the picture in the card, and of the one that is written to `out`
SAMPLE_SIDE = 192  # pixels a side of each crop in them

Double = Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Candidate:
    """A way of doubling. `model`: its folder, None for interpolation."""

    name: str
    double: Double
    model: Path | None
    flips: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table: a way of doubling, its mean score over the test set, and its cost."""

    name: str
    score: Score
    cost: Cost


def run(config: EvaluationConfig) -> list[Row]:
    """Test the models and print the table.

    With `out`, evaluation.md, evaluation.json and the before/after picture are written there. Without, the table goes
    into the metrics and the card of the first model, if that is a folder of the user's.
    """
    found = [find.model(model) for model in config.models]
    tests = testset.read(config.test_set, config.kind, config.jpeg_quality)
    with candidates(found, window_for(tests), config.jpeg_quality) as ways:
        rows = [row(way, tests) for way in ways]
    print(card.test_table([asdict(row) for row in rows]))
    if config.out:
        write(rows, tests, found[0], config.out)
        draw(found, tests.spread(SHEET_SAMPLES), config.out / card.PICTURE)
    elif found[0].origin is Origin.FOLDER:
        record(rows, tests, found[0], config.kind)
    return rows


@contextmanager
def candidates(found: Sequence[Artifact], window: int, jpeg_quality: int | None) -> Iterator[Iterator[Candidate]]:
    """What is compared: interpolation, each network that runs in the first model, that model, it with flips, others.

    jpeg_quality: the quality at which the pictures are compressed, None if they are not.
    """
    with TemporaryDirectory() as folder:
        yield _candidates(found, window, jpeg_quality, Path(folder))


def _candidates(found: Sequence[Artifact], window: int, jpeg_quality: int | None, folder: Path) -> Iterator[Candidate]:
    yield Candidate("bicubic", bicubic.double, None)
    first, *others = found
    if first.config.combination == "outputs":
        for n, member in enumerate(first.config.members):
            config, weights = averaging.single(first, n)
            alone = artifact.write(folder / str(n), config, weights, {}, "")
            yield Candidate(f"member {member.name}", _double(alone, window, jpeg_quality), alone.folder)
    double = _double(first, window, jpeg_quality)
    yield Candidate(first.name, double, first.folder)
    yield Candidate(f"{first.name}, eight flips and turns", partial(double, flips=True), first.folder, True)
    for other in others:
        yield Candidate(other.name, _double(other, window, jpeg_quality), other.folder)


def _double(model: Artifact, window: int, jpeg_quality: int | None) -> "partial[Pixels]":
    jpeg = jpeg_quality is not None and jpeg_quality <= lossy.MOST_QUALITY
    return partial(Upscaler(model, window=window).upscale, jpeg=jpeg)


def window_for(tests: TestSet) -> int:
    """The side of the engine's windows that suits the pictures: tiles need no larger ones than they are."""
    largest: int = max(max(pair.small.shape) for pair in tests.spread(CARD_SAMPLES))
    return min(engine_for(fastest_precision()).window, largest)


def row(way: Candidate, tests: TestSet) -> Row:
    """Test one way of doubling."""
    return Row(way.name, mean_score(way.double, tests, way.name), cost.measure(way.model, way.flips))


def mean_score(double: Double, pairs: Iterable[Pair], name: str = "") -> Score:
    """The mean over the test set of what `double` makes of each small picture."""
    bar = tqdm(pairs, name, unit="picture", leave=False, disable=None)
    return metrics.mean([metrics.score(double(pair.small), pair.large) for pair in bar])


def write(rows: Sequence[Row], tests: TestSet, model: Artifact, folder: Path) -> None:
    """Write the table as Markdown and as JSON."""
    write_text(folder / "evaluation.md", card.test_table([asdict(row) for row in rows]))
    write_text(folder / "evaluation.json", json.dumps(entry(rows, tests, model), indent=2) + "\n")


def record(rows: Sequence[Row], tests: TestSet, model: Artifact, kind: Kind) -> None:
    """Put the table into the model's metrics, by the test set's name, and write its card anew.

    The card shows pictures of tile shards alone, whose licence permits it and whose authors are known.
    """
    evaluated = model.metrics.get("tests", {}) | {tests.name: entry(rows, tests, model)}
    recorded = model.metrics | {"tests": evaluated}
    if kind == "shards" and not tests.jpeg_quality:
        recorded["picture"] = draw([model], tests.spread(CARD_SAMPLES), model.folder / card.PICTURE)
    write_text(model.folder / artifact.METRICS, json.dumps(recorded, indent=2) + "\n")
    write_text(model.folder / artifact.CARD, card.of(replace(model, metrics=recorded), model.name))


def entry(rows: Sequence[Row], tests: TestSet, model: Artifact) -> dict[str, Any]:
    """What is kept of a test of `model`."""
    return {"model": model.name, "pictures": len(tests), "rows": [asdict(row) for row in rows]}


def draw(found: Sequence[Artifact], shown: TestSet, target: Path) -> list[str]:
    """Draw bicubic | each model | truth, a row for each picture; returns whose they are, from the top down."""
    window = window_for(shown)
    ways: list[Double] = [bicubic.double, *(_double(model, window, shown.jpeg_quality) for model in found)]
    side = min(SAMPLE_SIDE, min(min(pair.large.shape[:2]) for pair in shown))
    strips = [_strip(ways, pair, side) for pair in shown]
    with atomic_path(target) as temporary:
        Image.fromarray(np.concatenate(strips)).save(temporary)
    return [pair.credit or pair.name for pair in shown]


def _strip(ways: Sequence[Double], pair: Pair, side: int) -> Pixels:
    top, left = ((length - side) // 2 for length in pair.large.shape[:2])
    pictures = [*(double(pair.small) for double in ways), pair.large]
    return np.concatenate([picture[top : top + side, left : left + side] for picture in pictures], axis=1)
