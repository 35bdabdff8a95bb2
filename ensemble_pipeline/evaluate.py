"""A model against bicubic interpolation, member by member, on pictures it has not seen."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from tqdm import tqdm

from ensemble_pipeline import combine, testset
from ensemble_pipeline.testset import Pair
from upscaler import Upscaler, artifact, bicubic, metrics, models
from upscaler.artifact import Artifact
from upscaler.atomic import write_text
from upscaler.metrics import Score
from upscaler.pixels import Pixels

Double = Callable[[Pixels], Pixels]


@dataclass(frozen=True)
class Config:
    """Which model to test, on a folder of pictures or of tile shards. `out`: a folder for the table, if wanted."""

    model: str
    test_set: Path
    kind: Literal["pictures", "shards"]
    out: Path | None


@dataclass(frozen=True)
class Row:
    """One line of the table: a way of doubling, and its mean score over the test set."""

    name: str
    score: Score


def run(config: Config) -> None:
    """Test the model, print the table, and write it if asked to."""
    model = models.find(config.model)
    pairs = list(testset.read(config.test_set, config.kind))
    with candidates(model) as doubles:
        rows = [Row(name, mean_score(double, pairs, name)) for name, double in doubles]
    print(table(rows))
    if config.out:
        write_text(config.out / "evaluation.md", table(rows))
        write_text(config.out / "evaluation.json", json.dumps([asdict(row) for row in rows], indent=2) + "\n")


@contextmanager
def candidates(model: Artifact) -> Iterator[Iterator[tuple[str, Double]]]:
    """What is compared, by name: bicubic interpolation, each member that runs in the model, and the model."""
    with TemporaryDirectory() as folder:
        yield _candidates(model, Path(folder))


def _candidates(model: Artifact, folder: Path) -> Iterator[tuple[str, Double]]:
    yield "bicubic", bicubic.double
    if model.config.networks > 1:
        for n, member in enumerate(model.config.members):
            config, weights = combine.single(model, n)
            yield f"member {member.name}", Upscaler(artifact.write(folder / str(n), config, weights, {}, "")).upscale
    yield model.name, Upscaler(model).upscale


def mean_score(double: Double, pairs: list[Pair], name: str) -> Score:
    """The mean over the test set of what `double` makes of each small picture."""
    return metrics.mean([metrics.score(double(pair.small), pair.large) for pair in tqdm(pairs, name, leave=False)])


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| | PSNR Y, dB | SSIM Y | PSNR RGB, dB | cross-entropy above the floor |", "|---|---|---|---|---|"]
    for row in rows:
        s = row.score
        lines.append(
            f"| {row.name} | {s.psnr_y:.2f} | {s.ssim_y:.4f} | {s.psnr_rgb:.2f} | {s.cross_entropy_above_floor:.2%} |"
        )
    return "\n".join(lines) + "\n"
