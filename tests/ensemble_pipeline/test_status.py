"""The overview of a folder."""

import errno
import shutil
from pathlib import Path

import pytest

from ensemble_pipeline import combine, status
from ensemble_pipeline.config import CombineConfig, StatusConfig
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline import pipeline
from feature_pipeline.config import FeatureConfig
from support.faulty_bucket import Bucket, serve
from support.models import write_run, write_tiny_model
from support.parts import part
from support.training_runs import small_config
from training_pipeline import evaluation, train
from training_pipeline.folder import Kind, kind
from upscaler.atomic import write_text


@pytest.fixture(autouse=True)
def one_tile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(evaluation, "MOST_TILES", 1)
    monkeypatch.chdir(tmp_path)


def shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """The lines of the table, as words, by their first one."""
    capsys.readouterr()
    status.run(StatusConfig(folder))
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[0].split()) == "folder content shards pictures tiles MB steps PSNR Y, dB missing"
    return {line.split()[0]: line.split()[1:] for line in lines[1:]}


@pytest.mark.slow
def test_parts_show_their_numbers_and_what_verify_misses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with serve(Bucket({"train_0": part(3), "train_1": part(2, first=9)})) as bucket:
        features = FeatureConfig(
            ("train_0", "train_1"), Path("shards"), bucket.endpoint_url, tiles_per_image=2, pictures_per_shard=2
        )
        pipeline.run(features)
    Path("shards/train_1/manifest.json").unlink()
    lines = shown(Path("shards"), capsys)
    megabytes = sum(path.stat().st_size for path in Path("shards/train_0").iterdir()) / 1e6
    assert lines["shards/train_0"] == ["tile", "shards", "2", "3", "6", f"{megabytes:.2f}"]
    assert lines["shards/train_1"][2:5] == ["1", "2", "4"]
    assert " ".join(lines["shards/train_1"]).endswith("is not finished; run the same command again to resume")
    assert lines["total"][:4] == ["2", "parts,", "0", "runs"]
    assert lines["total"][6:9] == ["3", "5", "10"]
    assert lines["total"][-2:] == ["1", "unfinished"]


def test_runs_and_models_show_their_scores_and_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = [train.run(small_config(tmp_path, out=Path(f"runs/{n}"), steps=2 + n)).metrics for n in range(2)]
    combine.run(CombineConfig((Path("runs/0"), Path("runs/1")), Path("runs/both")))
    Path("runs/1/config.json").unlink()
    shutil.copytree(write_run(tmp_path / "plain", seed=0), "runs/plain")
    write_text(Path("runs/0/table/evaluation.json"), "{}")  # no model
    lines = shown(Path("runs"), capsys)
    psnr = [f"{score['validation']['psnr_y']:.2f}" for score in scores]
    assert lines["runs/0"][:2] == ["a", "run"]
    assert lines["runs/0"][3:] == ["2", psnr[0]]
    assert lines["runs/1"][3:] == ["3", psnr[1], "its", "last", "evaluation"]
    assert lines["runs/both"][:3] == ["a", "combined", "model"]
    assert lines["runs/plain"][:2] == ["a", "model"]
    assert lines["total"][-3:] == [max(psnr), "1", "unfinished"]


def test_a_jpeg_network_is_part_of_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tiny_model(Path("models/doubler"), jpeg_model=write_tiny_model(tmp_path / "jpegs", seed=1))
    assert kind(Path("models/doubler/jpegs")) is Kind.MODEL
    assert [*shown(Path("models"), capsys)] == ["models/doubler", "total"]


def test_an_interrupted_run_shows_the_steps_that_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small_config(tmp_path, out=Path("runs/0"), steps=50)
    steps = iter(range(9))

    def stopping(run: train.Run) -> None:
        if next(steps) == 4:
            raise KeyboardInterrupt
        run._save()

    monkeypatch.setattr(train.Run, "_show", lambda run, _: stopping(run))
    with pytest.raises(KeyboardInterrupt):
        train.run(config)
    assert shown(Path("runs"), capsys)["runs/0"][3:] == ["4", "46", "steps"]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("log.jsonl", '{"step": 1, "psnr_y": 30.0}\n{"step"', "log.jsonl: the file: invalid json"),
        ("log.jsonl", '{"step": 1}\n', "log.jsonl: 0.psnr_y: field required"),
        ("run.json", '{"steps": 5', "run.json: the file: invalid json"),
        ("run.json", '{"steps": "many"}', "run.json: steps: input should be a valid integer"),
        ("metrics.json", '{"validation": 30.0}', "metrics.json: validation: input should be a valid dictionary"),
    ],
)
def test_a_folder_that_cannot_be_read_says_why_and_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: str, reason: str
) -> None:
    for name in ("a", "b", "c"):
        write_run(tmp_path / f"runs/{name}", seed=0)
    if file != "metrics.json":
        (tmp_path / "runs/b/run.json").write_text("{}")
    (tmp_path / "runs/b" / file).write_text(content)
    lines = shown(Path("runs"), capsys)
    assert reason in " ".join(lines["runs/b"])
    assert lines["runs/a"][3:] == lines["runs/c"][3:] == ["20"]
    assert lines["total"][-2:] == ["1", "unfinished"]


def test_a_folder_without_permission_is_a_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        write_run(tmp_path / f"runs/{name}", seed=0)

    def denied(folder: Path) -> Kind | None:
        if folder.name == "a":
            raise PermissionError(errno.EACCES, "Permission denied", "runs/a/manifest.json")
        return kind(folder)

    monkeypatch.setattr(status, "kind", denied)
    lines = shown(Path("runs"), capsys)
    assert " ".join(lines["runs/a"]).startswith("unknown permission denied (runs/a/manifest.json); change")
    assert "runs/b" in lines


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EnsembleError, match="has no tile shards, runs or models; give a folder that holds some"):
        status.run(StatusConfig(tmp_path))
