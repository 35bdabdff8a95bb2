"""Evaluation on pictures and tiles: scores, table, records and refusals."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from ensemble_pipeline import cost, evaluate, testset
from ensemble_pipeline.__main__ import main
from ensemble_pipeline.averaging import with_mirror_images
from ensemble_pipeline.config import EvaluationConfig
from ensemble_pipeline.cost import Cost
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline.errors import FeatureError
from support.models import write_tiny_model
from support.pictures import photo_like
from support.shards import write_shard
from training_pipeline import held_out, scoreboard, scoring
from training_pipeline.commands import ScoringConfig
from upscaler import Upscaler, bicubic, metrics
from upscaler.model import artifact
from upscaler.model.learned import Learned

ROOT = Path(__file__).parents[2]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the measurement of cost, which starts processes."""
    monkeypatch.setattr(cost, "measure", lambda model, flips=False: Cost(2.0 if flips else 16.0, 10**8))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for n, size in enumerate([(61, 80), (90, 64)]):
        Image.fromarray(photo_like(*size, seed=n)).save(folder / f"{n}.png")
    return folder


@pytest.fixture
def tiles(tmp_path: Path) -> Path:
    return write_shard(tmp_path / "test", pictures=2, tiles=1, author="Ada", license="CC BY 2.0")


def test_each_way_of_doubling_gets_its_own_mean(quick: None, pictures: Path, tmp_path: Path) -> None:
    model = artifact.read(write_tiny_model(tmp_path / "ensemble", networks=2))
    rows = evaluate.run(EvaluationConfig(models=(str(model.folder),), pictures=pictures))
    names = ["bicubic", "member 0", "member 1", "ensemble", "ensemble, self-ensemble"]
    assert [row.name for row in rows] == names
    pairs = list(testset.read(pictures, "pictures"))
    for row, double in [(rows[0], bicubic.double), (rows[3], Upscaler(model).upscale)]:
        assert row.score == metrics.mean([metrics.score(double(pair.lr), pair.hr) for pair in pairs])
    assert len({row.score.psnr_y for row in rows}) == 5


def test_a_mirror_image_is_no_member(quick: None, pictures: Path, tiny_model: Path, tmp_path: Path) -> None:
    plain = artifact.read(tiny_model)
    both = artifact.write(tmp_path / "both", *with_mirror_images(plain.config, plain.weights()), {}, "")
    rows = evaluate.run(EvaluationConfig(models=(str(both.folder),), pictures=pictures))
    assert [row.name for row in rows] == ["bicubic", "both", "both, self-ensemble"]
    assert "averaged over the input and its mirror image" in (both.folder / "README.md").read_text()


def test_an_odd_row_or_column_is_left_out(pictures: Path) -> None:
    pair = next(iter(testset.read(pictures, "pictures")))
    assert (pair.lr.shape, pair.hr.shape) == ((30, 40, 3), (60, 80, 3))


def test_the_table_goes_into_the_models_own_metrics_and_card(
    quick: None, pictures: Path, tiles: Path, tiny_model: Path
) -> None:
    weights = (tiny_model / "model.safetensors").read_bytes()
    evaluate.run(EvaluationConfig(models=(str(tiny_model),), pictures=pictures))
    assert not (tiny_model / artifact.PICTURE).exists()  # the authors are unknown
    evaluate.run(EvaluationConfig(models=(str(tiny_model),), shards=tiles))

    model = artifact.read(tiny_model)
    assert model.metrics["tests"].keys() == {"photos", "test, first 2 pictures"}
    assert model.weights_file.read_bytes() == weights
    text = (tiny_model / "README.md").read_text()
    own = model.metrics["tests"]["test, first 2 pictures"]["rows"][1]
    assert f"| tiny_model | {own['score']['psnr_y']:.2f} |" in text
    assert "by Ada, CC BY 2.0" in text
    results = ModelCard(text).data.get("eval_results")
    assert results
    assert {(r.dataset_name, r.metric_type) for r in results} == {
        (name, metric) for name in model.metrics["tests"] for metric in ("psnr", "ssim")
    }
    with Image.open(tiny_model / artifact.PICTURE) as drawn:
        assert drawn.size == (3 * evaluate.SAMPLE_SIDE, 2 * evaluate.SAMPLE_SIDE)


def test_the_credits_are_bounded(tmp_path: Path) -> None:
    tiles = write_shard(tmp_path / "test", pictures=1, tiles=1, author="Ada\n" * 10**4, license="CC BY 2.0")
    (pair,) = testset.read(tiles, "shards")
    assert len(pair.credit) < 300
    assert pair.credit.startswith("0000000000000000 by Ada Ada Ada")
    assert pair.credit.endswith("…, CC BY 2.0")


def meanwhile(monkeypatch: pytest.MonkeyPatch, command: Callable[[], object]) -> None:
    """Let a command run once, as another process would, during the next measurement of cost."""
    left = [command]

    def measure(model: Path | None, flips: bool = False) -> Cost:
        while left:
            left.pop()()
        return Cost(1.0, 10**8)

    monkeypatch.setattr(cost, "measure", measure)


def test_evaluations_of_a_model_at_a_time_are_all_recorded(
    pictures: Path, tiles: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = (str(tiny_model),)
    meanwhile(monkeypatch, lambda: evaluate.run(EvaluationConfig(models=models, shards=tiles)))
    evaluate.run(EvaluationConfig(models=models, pictures=pictures))
    metrics = artifact.read(tiny_model).metrics
    assert metrics["tests"].keys() == {"photos", "test, first 2 pictures"}
    assert metrics["picture"]


def test_an_evaluation_is_not_recorded_in_a_model_that_replaced_the_evaluated_one(
    pictures: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: write_tiny_model(tiny_model, seed=1))
    with pytest.raises(EnsembleError, match="was replaced during its evaluation; evaluate the new model"):
        evaluate.run(EvaluationConfig(models=(str(tiny_model),), pictures=pictures))
    assert artifact.read(tiny_model).metrics == {}


def test_models_side_by_side_written_where_asked(quick: None, pictures: Path, tmp_path: Path) -> None:
    models = tuple(str(write_tiny_model(tmp_path / name, seed=n)) for n, name in enumerate(("mean", "distilled")))
    evaluate.run(EvaluationConfig(models=models, pictures=pictures, out=tmp_path / "out"))
    kept = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert [row["name"] for row in kept["rows"]] == ["bicubic", "mean", "mean, self-ensemble", "distilled"]
    assert (tmp_path / "out/evaluation.md").read_text().count("\n") == 2 + 4
    with Image.open(tmp_path / "out" / artifact.PICTURE) as drawn:
        strip = np.asarray(drawn)
    pair = next(iter(testset.read(pictures, "pictures")))
    assert strip.shape == (2 * 60, 4 * 60, 3)  # bicubic, both models, ground truth
    np.testing.assert_array_equal(strip[:60, 180:], pair.hr[:, 10:70])


def test_small_pictures_are_compressed_first_if_asked(quick: None, pictures: Path, tiny_model: Path) -> None:
    plain, pressed = testset.read(pictures, "pictures"), testset.read(pictures, "pictures", jpeg_quality=75)
    for clean, lossy in zip(plain, pressed, strict=True):
        file = io.BytesIO()
        Image.fromarray(clean.lr).save(file, "JPEG", quality=75)
        np.testing.assert_array_equal(lossy.lr, np.asarray(Image.open(file)))
        np.testing.assert_array_equal(lossy.hr, clean.hr)
    evaluate.run(EvaluationConfig(models=(str(tiny_model),), pictures=pictures, jpeg_quality=75))
    assert artifact.read(tiny_model).metrics["tests"].keys() == {"photos, JPEG 75"}


def test_what_was_compressed_is_doubled_by_the_model_for_jpegs(
    quick: None, pictures: Path, two_models: Path, tmp_path: Path
) -> None:
    models = (str(two_models), str(two_models / "jpegs"))
    for quality, same in ((None, False), (75, True), (99, False)):
        rows = evaluate.run(
            EvaluationConfig(models=models, pictures=pictures, out=tmp_path / f"out_{quality}", jpeg_quality=quality)
        )
        assert (rows[1].score == rows[3].score) is same


def test_a_cost_is_measured_in_a_process_of_its_own(tiny_model: Path) -> None:
    measured = cost.measure(tiny_model)
    assert measured.megapixels_per_second > 0
    assert 20e6 < measured.memory < 2e9


def test_an_empty_test_set_is_refused(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "none").mkdir()
    models = (str(tiny_model),)
    with pytest.raises(EnsembleError, match="none has no"):
        evaluate.run(EvaluationConfig(models=models, pictures=tmp_path / "none"))
    with pytest.raises(FeatureError, match="none has no"):
        evaluate.run(EvaluationConfig(models=models, shards=tmp_path / "none"))


def test_a_broken_picture_is_named(quick: None, pictures: Path, tiny_model: Path) -> None:
    before = {path.name: path.read_bytes() for path in tiny_model.iterdir()}
    (pictures / "2.jpg").write_bytes(b"no picture")
    with pytest.raises(EnsembleError, match=r"2\.jpg cannot be read as a picture"):
        evaluate.run(EvaluationConfig(models=(str(tiny_model),), pictures=pictures))
    assert {path.name: path.read_bytes() for path in tiny_model.iterdir()} == before


@pytest.mark.parametrize("side", [14, 15])
def test_a_picture_too_small_to_score_is_named(quick: None, pictures: Path, tiny_model: Path, side: int) -> None:
    Image.fromarray(photo_like(side, 40)).save(pictures / "small.png")
    with pytest.raises(EnsembleError, match=r"small\.png is smaller than 16 pixels"):
        evaluate.run(EvaluationConfig(models=(str(tiny_model),), pictures=pictures))


def test_the_smallest_picture_is_scored(quick: None, tmp_path: Path, tiny_model: Path) -> None:
    Image.fromarray(photo_like(16, 17)).save(tmp_path / "small.png")
    rows = evaluate.run(EvaluationConfig(models=(str(tiny_model),), pictures=tmp_path))
    assert all(np.isfinite(row.score.ssim_y) for row in rows)


def test_the_final_test_is_the_scoreboards(tiles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_out, "LEAST", 1)
    model, board = write_tiny_model(tmp_path / "model", learned=Learned.of({})), tmp_path / "scoreboard"
    scoring.add(ScoringConfig(str(model), tiles, board))
    command = ["ensemble_pipeline", "final-test", str(model), "--test", str(tiles), "--scoreboard", str(board)]
    monkeypatch.setattr(sys, "argv", command)
    main()
    found = scoreboard.read(board)
    assert found
    assert [(test.revision, test.pictures) for test in found.final_tests] == [(artifact.read(model).revision, 1)]


@pytest.mark.slow
def test_the_command_line(pictures: Path, tiny_model: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ensemble_pipeline", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = run("combine", str(tiny_model), "--out", str(tmp_path / "v1"))
    assert done.returncode == 0, done.stderr
    done = run("evaluate", str(tmp_path / "v1"), "--pictures", str(pictures))
    assert done.returncode == 0, done.stderr
    assert "| v1, self-ensemble |" in done.stdout
    done = run("evaluate", str(tmp_path / "v1"), "--pictures", str(pictures), "--jpeg-quality", "0")
    assert "error: --jpeg-quality must be 1 to 100, got 0" in done.stderr
    shutil.rmtree(tiny_model)
    done = run("combine", str(tiny_model), "--out", str(tmp_path / "v1"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "is not a model" in done.stderr
    assert artifact.read(tmp_path / "v1").config.networks == 1
