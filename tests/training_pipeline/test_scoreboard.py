"""The scoreboard, the ablation study, cross-validation and the hyper-parameter search."""

import json
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.storages._heartbeat import BaseHeartbeat

from cluster.engine import Engine
from support.models import write_tiny_model
from support.shards import write_shard
from support.training_runs import small_config
from training_pipeline import ablation, checkpoint, data, evaluation, folds, scoreboard, scoring, train, tune
from training_pipeline.__main__ import main
from training_pipeline.commands import AblationConfig, RunsConfig, ScoringConfig, TuningConfig
from training_pipeline.errors import TrainingError
from training_pipeline.scoreboard import Row, Scoreboard
from upscaler.errors import OptionError
from upscaler.metrics import Score


@pytest.fixture(autouse=True)
def one_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluate on one tile."""
    monkeypatch.setattr(evaluation, "MOST_TILES", 1)


def score_of(psnr: float, ssim: float = 0.9, above: float = 0.02) -> Score:
    return Score(psnr_y=psnr, ssim_y=ssim, psnr_rgb=psnr, cross_entropy=0.5, cross_entropy_above_floor=above)


def row(version: str, score: Score, changed: str = "something") -> Row:
    return Row(version=version, changed=changed, revision="abc", parameters=1000, steps=20, score=score)


BOARD = Scoreboard(
    test="hash",
    bicubic=score_of(28),
    rows=(row("v1", score_of(30)), row("v2", score_of(29, ssim=0.95)), row("v3", score_of(30.5, above=0.01))),
)


def test_bold_is_what_is_better_than_all_before() -> None:
    lines = scoreboard.table(BOARD).splitlines()
    assert lines[2] == "| bicubic | 28.00 | 0.9000 | 2.00% | 0 | 0 | interpolation, nothing learned |"
    assert lines[3] == "| v1 | **30.00** | 0.9000 | 2.00% | 1,000 | 20 | something |"
    assert lines[4] == "| v2 | 29.00 | **0.9500** | 2.00% | 1,000 | 20 | something |"
    assert lines[5] == "| v3 | **30.50** | 0.9000 | **1.00%** | 1,000 | 20 | something |"


def test_a_row_of_the_same_version_is_replaced_where_it_stands() -> None:
    board = BOARD.with_row(row("v2", score_of(40))).with_row(row("v4", score_of(1)))
    assert [(r.version, r.score.psnr_y) for r in board.rows] == [("v1", 30), ("v2", 40), ("v3", 30.5), ("v4", 1)]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    perfect = BOARD.with_row(row("perfect", score_of(float("inf"))))
    scoreboard.write(tmp_path, perfect)
    assert scoreboard.read(tmp_path) == perfect
    assert scoreboard.read(tmp_path / "elsewhere") is None
    assert (tmp_path / scoreboard.TABLE).read_text() == scoreboard.table(perfect)


def test_a_broken_scoreboard_is_refused(tmp_path: Path) -> None:
    (tmp_path / scoreboard.JSON).write_text("{")
    with pytest.raises(TrainingError, match="is not a valid scoreboard; move it away"):
        scoreboard.read(tmp_path)


def test_the_test_set_is_divided_by_pictures(tmp_path: Path) -> None:
    first, rest = scoring.parts(write_shard(tmp_path / "test", pictures=20, side=16))
    assert len(data.pictures(first)) == 2
    assert len(data.pictures(rest)) == 18
    assert not data.pictures(first) & data.pictures(rest)
    assert first == data.entries([tmp_path / "test"])[:4]
    with pytest.raises(TrainingError, match=r"at least two pictures, and .* has 1"):
        scoring.parts(write_shard(tmp_path / "one", pictures=1, side=16))


@pytest.fixture
def test_set(tmp_path: Path) -> Path:
    return write_shard(tmp_path / "test", pictures=3, first=2000, tiles=1)


def test_models_are_scored_and_the_chosen_one_is_tested_once(tmp_path: Path, test_set: Path) -> None:
    models = [write_tiny_model(tmp_path / f"m{n}", seed=n) for n in range(2)]
    configs = [ScoringConfig(str(model), test_set, tmp_path / "board", changed="its seed") for model in models]
    rows = [scoring.add(config) for config in configs]
    board = scoreboard.read(tmp_path / "board")
    assert board and list(board.rows) == rows
    assert [r.version for r in rows] == ["m0", "m1"]
    assert rows[0].parameters == sum(layer.size for layer in np.load(weights(models[0])).values())

    result = scoring.final_test(configs[1])
    board = scoreboard.read(tmp_path / "board")
    assert board and board.final_test == result
    assert (result.model, result.tiles, result.pictures) == ("m1", 2, 2)
    assert f"Final test of m1 ({result.revision})" in (tmp_path / "board" / scoreboard.TABLE).read_text()
    with pytest.raises(TrainingError, match="another model needs another test set"):
        scoring.final_test(configs[0])
    scoring.add(configs[0])
    after = scoreboard.read(tmp_path / "board")
    assert after and after.final_test == result


def weights(model: Path) -> Path:
    """Save the model's arrays as a NumPy archive."""
    from safetensors.numpy import load_file

    np.savez(model / "weights.npz", allow_pickle=False, **load_file(model / "model.safetensors"))
    return model / "weights.npz"


def test_rows_of_another_test_set_are_not_mixed(tmp_path: Path, test_set: Path) -> None:
    model = str(write_tiny_model(tmp_path / "model"))
    scoring.add(ScoringConfig(model, test_set, tmp_path / "board"))
    other = write_shard(tmp_path / "other", pictures=3, first=3000)
    with pytest.raises(TrainingError, match="were scored on other tiles; give another --scoreboard"):
        scoring.add(ScoringConfig(model, other, tmp_path / "board"))
    with pytest.raises(TrainingError, match="has no scoreboard; score the candidates first"):
        scoring.final_test(ScoringConfig(model, test_set, tmp_path / "nowhere"))


def test_a_test_set_that_was_learned_from_is_refused(tmp_path: Path) -> None:
    train.run(small_config(tmp_path, steps=1))
    config = ScoringConfig(str(tmp_path / "run"), tmp_path / "train_0", tmp_path / "board")
    with pytest.raises(TrainingError, match="pictures are in both the training and the test set"):
        scoring.add(config)
    assert not (tmp_path / "board").exists()


@pytest.fixture
def planned(tmp_path: Path, test_set: Path) -> AblationConfig:
    augmented = write_shard(tmp_path / "augmented", tiles=1)
    first = small_config(tmp_path, steps=2, out=tmp_path / "runs", branches=False)
    return AblationConfig(first=first, augmented=(augmented,), test=test_set, scoreboard=tmp_path / "board")


def test_the_plan_changes_one_thing_a_row(planned: AblationConfig) -> None:
    first, *others = (ablation.run_config(planned, version).as_json() for version in ablation.VERSIONS)
    changed = [{key for key in first if config[key] != first[key]} for config in others]
    assert all(len(keys) == 1 for keys in changed)
    assert set().union(*changed) == {
        "weight_decay", "learning_rate", "dropout", "size", "shards", "share", "branches",
    }  # fmt: skip
    assert len({json.dumps(config) for config in (first, *others)}) == len(ablation.VERSIONS)


@pytest.mark.slow
def test_the_plan_fills_the_scoreboard_and_goes_on(
    planned: AblationConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(train.Run, "advance", diverging_at(1e-2, train.Run.advance))
    small = replace(planned, names=("v1", "v4", "v7", "v10"))
    ablation.run(replace(planned, names=("v4",)))
    scored: list[str] = []
    monkeypatch.setattr(scoring, "add", recording(scoring.add, scored))
    ablation.run(small)
    assert scored == ["v1", "v10"]  # v4 was there, and v7 has no score
    assert "v7 has no row: the loss is nan" in capsys.readouterr().err
    board = scoreboard.read(planned.scoreboard)
    assert board and [r.version for r in board.rows] == ["v4", "v1", "v10"]
    assert all(r.curve and r.curve[-1][0] == 2 for r in board.rows)
    assert board.rows[0].changed == "learning rate 1e-4"
    assert (planned.scoreboard / scoreboard.CURVES).stat().st_size > 1000


def diverging_at(rate: float, advance: Callable[..., None]) -> Callable[..., None]:
    """Return a step that diverges at the given learning rate."""

    def diverge(run: train.Run, *batch: Any) -> None:
        if run.config.learning_rate == rate:
            run._check_finite(float("nan"), 1.0)
        advance(run, *batch)

    return diverge


def recording(add: Callable[[ScoringConfig], Row], versions: list[str]) -> Callable[[ScoringConfig], Row]:
    """Return a scoring function that also records the scored versions."""

    def note(config: ScoringConfig) -> Row:
        versions.append(str(config.version))
        return add(config)

    return note


def test_a_plan_that_lacks_something_is_refused_before_the_first_step(planned: AblationConfig, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="there is no version v99; give some of v1 to v14"):
        ablation.run(replace(planned, names=("v1", "v99")))
    with pytest.raises(TrainingError, match="v10 needs augmented tiles; make them"):
        ablation.run(replace(planned, augmented=()))
    with pytest.raises(TrainingError, match="are in both the training and the test set"):
        ablation.run(replace(planned, test=tmp_path / "train_0"))
    assert not (tmp_path / "runs").exists()


def test_folds_hold_every_picture_out_once(tmp_path: Path) -> None:
    tiles = data.entries([write_shard(tmp_path / "train_0", pictures=11, side=16)])
    parts = [data.split(tiles, k, 5) for k in range(5)]
    held_out = [data.pictures(inside) for _, inside in parts]
    assert set().union(*held_out) == data.pictures(tiles)
    assert sorted(map(len, held_out)) == [2, 2, 2, 2, 3]
    for outside, inside in parts:
        assert sorted(outside + inside, key=lambda tile: tile.key) == sorted(tiles, key=lambda tile: tile.key)
        assert not data.pictures(outside) & data.pictures(inside)


def test_cross_validation_gives_mean_and_spread(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config(tmp_path, steps=2, validation=(), out=tmp_path / "cv")
    folds.run(config, 3, resume=False)
    result = json.loads((tmp_path / "cv" / folds.RESULT).read_text())
    values = [score["psnr_y"] for score in result["scores"]]
    assert len(set(values)) == 3
    assert result["mean"]["psnr_y"] == pytest.approx(np.mean(values))
    assert result["spread"]["psnr_y"] == pytest.approx(np.std(values, ddof=1))
    assert f"3 folds: PSNR (Y) {np.mean(values):.2f} ± " in capsys.readouterr().out
    with pytest.raises(TrainingError, match="3 pictures cannot be split into 4 folds"):
        folds.run(replace(config, out=tmp_path / "four"), 4, resume=False)
    with pytest.raises(OptionError, match="--folds must be 2 or more, got 1"):
        RunsConfig(first=config, folds=1, engine=Engine())


@pytest.fixture
def searched(tmp_path: Path) -> TuningConfig:
    return TuningConfig(small_config(tmp_path, steps=3, out=tmp_path / "search"), trials=3, workers=1)


@pytest.mark.slow
def test_a_search_goes_on_with_the_trial_that_was_cut_off(
    searched: TuningConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance, steps = train.Run.advance, []

    def stop_in_the_second_trial(run: train.Run, *batch: Any) -> None:
        steps.append((run.config.out.name, run.step))
        if len(steps) == 5:
            raise KeyboardInterrupt
        advance(run, *batch)

    monkeypatch.setattr(train.Run, "advance", stop_in_the_second_trial)
    with pytest.raises(KeyboardInterrupt):
        tune.run(searched)
    tune.run(searched)
    runs = [name for name, step in steps if step == 0]
    assert runs == ["trial-0000", "trial-0001", "trial-0001", "trial-0003"]  # 2 is the second attempt at 1
    study = tune.open_study(searched.first)
    finished = study.get_trials(states=tune.FINISHED)
    assert len(finished) == searched.trials
    table = (searched.first.out / tune.TABLE).read_text().splitlines()
    assert table[2].startswith(f"| {study.best_trial.user_attrs['run']} | {study.best_value:.3f} |")
    assert len(table) == 2 + searched.trials
    for trial in finished:
        recorded = json.loads((searched.first.out / trial.user_attrs["run"] / "run.json").read_text())
        assert recorded["steps"] == 3
        assert recorded["learning_rate"] == trial.params["learning_rate"]


@pytest.mark.slow
def test_a_trial_that_diverges_is_no_failure(searched: TuningConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.Run, "advance", lambda run, *batch: run._check_finite(float("nan"), 1.0))
    tune.run(replace(searched, trials=1))
    study = tune.open_study(searched.first)
    assert [trial.state for trial in study.trials] == [optuna.trial.TrialState.PRUNED]
    assert "| diverged |" in (searched.first.out / tune.TABLE).read_text()


@pytest.mark.slow
def test_a_trial_whose_worker_was_killed_is_done_again(searched: TuningConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "HEARTBEAT", 1)
    searched.first.out.mkdir()
    study = tune.open_study(searched.first)
    with warnings.catch_warnings(action="ignore"):
        killed = study.ask()
    tune.suggested(killed, searched.first)
    assert isinstance(study._storage, BaseHeartbeat)
    study._storage.record_heartbeat(killed._trial_id)  # its last heartbeat
    time.sleep(3)
    tune.run(replace(searched, trials=1))
    again = tune.open_study(searched.first).trials[1]
    assert again.params == killed.params
    assert again.user_attrs["run"] == "trial-0000"
    assert study.trials[0].state == optuna.trial.TrialState.FAIL


def test_a_study_of_another_configuration_is_not_gone_on_with(searched: TuningConfig, tmp_path: Path) -> None:
    searched.first.out.mkdir()
    tune.open_study(searched.first)
    with pytest.raises(TrainingError, match="was made with --steps 3, not 4"):
        tune.run(replace(searched, first=replace(searched.first, steps=4)))


@pytest.mark.slow
def test_two_workers_share_a_study(searched: TuningConfig) -> None:
    tune.run(replace(searched, trials=4, workers=2))
    study = tune.open_study(searched.first)
    finished = study.get_trials(states=tune.FINISHED)
    assert 4 <= len(finished) <= 5
    assert len({trial.params["learning_rate"] for trial in finished}) == len(finished)


@pytest.mark.slow
@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_workers_end_with_their_parent_and_leave_checkpoints(tmp_path: Path, end: signal.Signals, code: int) -> None:
    small_config(tmp_path)
    command = ["-m", "training_pipeline", "tune", "--shards", "train_0", "--validation", "validation", "--size", "4x1"]
    command += ["--threads", "1", "--steps", "1000000", "--trials", "9", "--workers", "2", "--out", "search"]
    not_compiled = {"CXX": "none"}  # a run of this length would be compiled, which takes longer than the test
    environment = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin", **not_compiled}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stderr
    seen = ""
    while not all(f"trial-000{n}:" in seen and "step=" in seen.rpartition(f"trial-000{n}:")[2] for n in range(2)):
        seen += process.stderr.read(40)
        assert process.poll() is None
    process.send_signal(end)
    _, messages = process.communicate(timeout=60)  # until the workers, too, have closed their standard error
    assert process.returncode == code
    assert "Traceback" not in messages
    for n in range(2):
        stopped = checkpoint.latest(tmp_path / "search" / f"trial-000{n}")
        assert stopped and stopped.step > 0


@pytest.mark.slow
def test_commands_reach_their_stage(
    tmp_path: Path, test_set: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    on = ["--shards", "train_0", "--validation", "validation", "--threads", "1"]
    board = ["--test", "test", "--scoreboard", "board"]
    tiny = ["--size", "4x1", "--steps", "1"]
    for command in (
        ["plan", *on, *board, "--steps", "1", "--rows", "v1", "--out", "runs/plan"],
        ["tune", *on, *tiny, "--trials", "1", "--out", "runs/tune"],
        ["score", "runs/tune/trial-0000", *board, "--version", "found", "--changed", "what the search found"],
        ["final-test", "runs/plan/v1", *board],
        ["--shards", "train_0", "--folds", "2", "--threads", "1", *tiny, "--out", "runs/folds"],
    ):
        monkeypatch.setattr(sys, "argv", ["training_pipeline", *command])
        main()
    written = scoreboard.read(Path("board"))
    assert written and [r.version for r in written.rows] == ["v1", "found"]
    assert written.final_test and written.final_test.model == "v1"
    assert Path("runs/folds/folds.json").exists()
    assert "found:" in capsys.readouterr().out
