"""Evaluation of models and their members on a test set: quality, throughput and peak memory, next to bicubic."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ensemble_pipeline import averaging, card, cost, testset
from ensemble_pipeline.config import EvaluationConfig
from ensemble_pipeline.config import Kind as TestKind
from ensemble_pipeline.cost import Cost
from ensemble_pipeline.errors import EnsembleError
from ensemble_pipeline.testset import Pair, TestSet
from training_pipeline import unseen
from training_pipeline.folder import EVALUATION, SCORES, TABLE, Kind, claimed, turn
from training_pipeline.measured import checked
from upscaler import Upscaler, bicubic, metrics, saved
from upscaler.atomic import atomic_path, write_text
from upscaler.engines.engine import usual
from upscaler.links import followed
from upscaler.metrics import Score
from upscaler.model import artifact, find
from upscaler.model.artifact import Artifact, Origin
from upscaler.pictures import lossy
from upscaler.pixels import Pixels

CARD_SAMPLES, SHEET_SAMPLES = 4, 12  # rows of the before/after picture in the card, and in `out`
SAMPLE_SIDE = 192  # pixels a side of each of its crops

Double = Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Candidate:
    """An upscaling method. `model`: its folder, None for interpolation."""

    name: str
    double: Double
    model: Path | None
    flips: bool = False


@dataclass(frozen=True)
class Row:
    """A row of the table: the method's name, its mean score over the pictures, and its cost."""

    name: str
    score: Score
    cost: Cost


def run(config: EvaluationConfig) -> list[Row]:
    """Evaluate the models and print the table. Raises TrainingError if one learned from pictures of the test set.

    With `out`, write evaluation.md, evaluation.json and the before/after picture there, unless that would replace other
    work. Without, write the table into the metrics and the card of the first model, if that is a folder of the user's.
    """
    models = [find.model(model) for model in config.models]
    is_recorded = not config.out and models[0].origin is Origin.FOLDER
    if is_recorded:
        checked(models[0])  # or its card could not be written in the end
    tests = testset.read(config.test_set, config.kind, config.jpeg_quality)
    pictures = tests.pictures()
    complete = [unseen.check_for_test(model, pictures, config.test_set) for model in models]
    with _claimed(config, models):
        with candidates(models, window_for(tests), config.jpeg_quality) as methods:
            rows = [row(method, tests) for method in methods]
        evaluation = entry(rows, tests.count, models[0], all(complete))
        print(card.test_table(evaluation["rows"]))
        if config.out:
            saved.write(config.out / EVALUATION, config)  # first: after an interruption, the same command goes on
            write(evaluation, config.out)
            draw(models, tests.spread(SHEET_SAMPLES), config.out / artifact.PICTURE)
        elif is_recorded:
            record(evaluation, tests, models[0], config.kind)
    return rows


def _claimed(config: EvaluationConfig, models: Sequence[Artifact]) -> AbstractContextManager[None]:
    """Hold the folder `out`, if there is one. Raises EnsembleError if it is that of a tested model."""
    out = config.out
    if not out:
        return nullcontext()
    if followed(out) in {followed(model.folder) for model in models}:
        raise EnsembleError(f"{out} is a model to be tested; give another --out, or none to write into its card")
    return claimed(out, lambda found: found is Kind.EVALUATION and _is_same(config, out), config.overwrite)


def _is_same(config: EvaluationConfig, out: Path) -> bool:
    """Return True if the evaluation in the folder is one of the same models on the same test set."""
    record = out / EVALUATION
    return record.exists() and saved.matches(record, config, but=("out", "overwrite"))


@contextmanager
def candidates(models: Sequence[Artifact], window: int, jpeg_quality: int | None) -> Iterator[Iterator[Candidate]]:
    """Yield the methods: bicubic, each network of the first model, that model, its self-ensemble, the other models.

    jpeg_quality: the quality at which the inputs are compressed, None if they are not.
    """
    with TemporaryDirectory() as folder:
        yield _candidates(models, window, jpeg_quality, Path(folder))


def _candidates(models: Sequence[Artifact], window: int, jpeg_quality: int | None, folder: Path) -> Iterator[Candidate]:
    yield Candidate("bicubic", bicubic.double, None)
    first, *others = models
    if first.config.combination == "outputs":
        for n, member in enumerate(first.config.members):
            config, weights = averaging.single(first, n)
            alone = artifact.write(folder / str(n), config, weights, {}, "")
            yield Candidate(f"member {member.name}", _double(alone, window, jpeg_quality), alone.folder)
    double = _double(first, window, jpeg_quality)
    yield Candidate(first.name, double, first.folder)
    yield Candidate(f"{first.name}, self-ensemble", partial(double, flips=True), first.folder, True)
    for other in others:
        yield Candidate(other.name, _double(other, window, jpeg_quality), other.folder)


def _double(model: Artifact, window: int, jpeg_quality: int | None) -> "partial[Pixels]":
    jpeg = jpeg_quality is not None and jpeg_quality <= lossy.MOST_QUALITY
    # Not in the default precision, which differs between machines
    return partial(Upscaler(model, "f32", window).upscale, jpeg=jpeg)


def window_for(tests: TestSet) -> int:
    """Return the side of the engine's windows, at most that of the inputs."""
    largest: int = max(max(pair.lr.shape) for pair in tests.spread(CARD_SAMPLES))
    return min(usual("f32").window, largest)


def row(method: Candidate, tests: TestSet) -> Row:
    """Evaluate one method."""
    return Row(method.name, mean_score(method.double, tests, method.name), cost.measure(method.model, method.flips))


def mean_score(double: Double, pairs: Iterable[Pair], name: str = "") -> Score:
    """Return the mean score of `double` over the pictures, each of which is the mean of its tiles."""
    bar = tqdm(pairs, name, unit="pair", leave=False, disable=None)
    return metrics.mean(metrics.by_picture((pair.picture, metrics.score(double(pair.lr), pair.hr)) for pair in bar))


def write(evaluation: dict[str, Any], folder: Path) -> None:
    """Write an evaluation as Markdown and JSON."""
    write_text(folder / TABLE, card.test_table(evaluation["rows"]))
    write_text(folder / SCORES, json.dumps(evaluation, indent=2) + "\n")


def record(evaluation: dict[str, Any], tests: TestSet, model: Artifact, kind: TestKind) -> None:
    """Record an evaluation in the model's metrics, under the test set's name, and rewrite its card.

    The card shows only pictures from tile shards, whose licence permits it and whose authors are known. Raises
    EnsembleError if the folder has another model by now.
    """
    with turn(model.folder):
        metrics = _current(model).metrics
        recorded = metrics | {"tests": metrics.get("tests", {}) | {tests.name: evaluation}}
        if kind == "shards" and not tests.jpeg_quality:
            recorded["picture"] = draw([model], tests.spread(CARD_SAMPLES), model.folder / artifact.PICTURE)
        write_text(model.folder / artifact.METRICS, json.dumps(recorded, indent=2) + "\n")
        write_text(model.folder / artifact.CARD, card.of(replace(model, metrics=recorded), model.name))


def _current(model: Artifact) -> Artifact:
    """Read the model again, as other evaluations may have been recorded. Raises EnsembleError if it is another one."""
    current = artifact.read(model.folder)
    if current.revision != model.revision:
        raise EnsembleError(f"{model.folder} was replaced during its evaluation; evaluate the new model")
    return current


def entry(rows: Sequence[Row], pictures: int, model: Artifact, recorded: bool) -> dict[str, Any]:
    """Return the JSON record of an evaluation of `model`.

    recorded: False if a model has no complete record of the pictures it learned from.
    """
    evaluated = [asdict(row) for row in rows]
    return {"model": model.name, "pictures": pictures, "recorded": recorded, "rows": evaluated}


def draw(models: Sequence[Artifact], samples: TestSet, target: Path) -> list[str]:
    """Draw bicubic | each model | ground truth, a row for each sample; return the credits from top to bottom."""
    window = window_for(samples)
    methods: list[Double] = [bicubic.double, *(_double(model, window, samples.jpeg_quality) for model in models)]
    side = min(SAMPLE_SIDE, min(min(pair.hr.shape[:2]) for pair in samples))
    strips = [_strip(methods, pair, side) for pair in samples]
    with atomic_path(target) as temporary:
        Image.fromarray(np.concatenate(strips)).save(temporary)
    return [pair.credit or pair.name for pair in samples]


def _strip(methods: Sequence[Double], pair: Pair, side: int) -> Pixels:
    top, left = ((length - side) // 2 for length in pair.hr.shape[:2])
    pictures = [*(double(pair.lr) for double in methods), pair.hr]
    return np.concatenate([picture[top : top + side, left : left + side] for picture in pictures], axis=1)
