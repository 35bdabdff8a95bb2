"""The scoreboard, the ablation study, cross-validation and the hyper-parameter search."""

import json
import shutil
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
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages._heartbeat import BaseHeartbeat

from cluster.engine import Engine
from feature_pipeline import shards, tile_index
from support.models import write_tiny_model
from support.shards import mirrored, random_looks, write_shard
from support.training_runs import environment, small_config
from training_pipeline import (
    ablation,
    bootstrap,
    checkpoint,
    data,
    evaluation,
    folds,
    held_out,
    scoreboard,
    scoring,
    train,
    tune,
)
from training_pipeline.__main__ import main
from training_pipeline.commands import AblationConfig, RunsConfig, ScoringConfig, TuningConfig
from training_pipeline.errors import TrainingError
from training_pipeline.scoreboard import Row, Scoreboard
from training_pipeline.study import FINISHED, open_study
from upscaler import bicubic, version
from upscaler.errors import OptionError
from upscaler.metrics import Score
from upscaler.model import find
from upscaler.model.learned import Learned


@pytest.fixture(autouse=True)
def one_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluate on one tile."""
    monkeypatch.setattr(evaluation, "MOST_TILES", 1)


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test set be small."""
    monkeypatch.setattr(held_out, "LEAST", 2)


def score_of(psnr: float, ssim: float = 0.9, above: float = 0.02) -> Score:
    return Score(psnr_y=psnr, ssim_y=ssim, psnr_rgb=psnr, cross_entropy=0.5, cross_entropy_above_floor=above)


def scores_of(*decibels: float, ssim: float = 0.9, above: float = 0.02) -> tuple[Score, ...]:
    return tuple(score_of(psnr, ssim, above) for psnr in decibels)


def row(version: str, scores: tuple[Score, ...], recorded: bool = True) -> Row:
    return Row(
        version=version, changed="it", revision="abc", parameters=1000, steps=20, scores=scores, recorded=recorded
    )


BOARD = Scoreboard(
    test="hash",
    bicubic=scores_of(20, 28, 36),
    rows=(
        row("v1", scores_of(22, 30, 38)),
        row("v2", scores_of(21, 29, 37, ssim=0.95)),
        row("v3", scores_of(20, 31, 40, above=0.01)),
        row("v4", scores_of(22.01, 30.01, 38.99)),
    ),
)


def test_bold_is_a_gain_whose_interval_excludes_zero() -> None:
    lines = scoreboard.table(BOARD).splitlines()
    assert (
        lines[2] == "| bicubic | 28.00 | 20.00 to 36.00 |  | 0.9000 | 2.00% | 0 | 0 | interpolation, nothing learned |"
    )
    assert lines[3] == "| v1 | **30.00** | 22.00 to 38.00 | +2.00 to +2.00 | 0.9000 | 2.00% | 1,000 | 20 | it |"
    assert lines[4] == "| v2 | 29.00 | 21.00 to 37.00 | -1.00 to -1.00 | **0.9500** | 2.00% | 1,000 | 20 | it |"
    assert lines[5] == "| v3 | 30.33 | 20.00 to 40.00 | -2.00 to +2.00 | 0.9000 | **1.00%** | 1,000 | 20 | it |"
    assert lines[6].startswith("| v4 | 30.34 |")  # better than v3 in the mean alone
    assert lines[8].startswith("Means over 3 pictures. Bold: ")


def test_an_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    intervals = [bootstrap.interval(list(rng.normal(30, 2, 60))) for _ in range(50)]
    assert 43 <= sum(low <= 30 <= high for low, high in intervals) < 50
    values = list(rng.normal(30, 2, 60))
    assert bootstrap.interval(values) == bootstrap.interval(values)
    assert bootstrap.of_difference([float("inf"), 31.0], [float("inf"), 30.0]) == (0.0, 1.0)


@given(st.lists(st.floats(10, 60), min_size=2, max_size=70), st.floats(-1, 1))
@settings(max_examples=20)
def test_a_constant_difference_has_no_uncertainty(values: list[float], by: float) -> None:
    assert bootstrap.of_difference([value + by for value in values], values) == pytest.approx((by, by), abs=1e-9)


def test_a_row_of_the_same_version_is_replaced_where_it_stands() -> None:
    board = BOARD.with_row(row("v2", scores_of(40))).with_row(row("v5", scores_of(1)))
    assert [(r.version, r.scores[0].psnr_y) for r in board.rows] == [
        ("v1", 22), ("v2", 40), ("v3", 20), ("v4", 22.01), ("v5", 1),
    ]  # fmt: skip


def test_what_is_written_is_read(tmp_path: Path) -> None:
    perfect = BOARD.with_row(row("perfect", scores_of(float("inf"), 30, 40), recorded=False))
    scoreboard.write(tmp_path, perfect)
    assert scoreboard.read(tmp_path) == perfect
    assert scoreboard.read(tmp_path / "elsewhere") is None
    table = (tmp_path / scoreboard.TABLE).read_text()
    assert table == scoreboard.table(perfect)
    assert "| perfect † |" in table
    assert "no complete record" in table


def test_a_broken_scoreboard_is_refused(tmp_path: Path) -> None:
    (tmp_path / scoreboard.JSON).write_text("{")
    with pytest.raises(TrainingError, match="is not a valid scoreboard; move it away"):
        scoreboard.read(tmp_path)


def test_the_test_set_is_divided_by_pictures(tmp_path: Path) -> None:
    first, rest = held_out.parts(write_shard(tmp_path / "test", pictures=30, side=16))
    assert len(shards.pictures(first)) == 3
    assert len(shards.pictures(rest)) == 27
    assert not shards.pictures(first).keys() & shards.pictures(rest).keys()
    assert list(first) == data.entries([tmp_path / "test"])[:6]
    assert len(held_out.parts(write_shard(tmp_path / "least", pictures=4, side=16, tiles=1))[0]) == 2
    with pytest.raises(TrainingError, match=r"at least 4 pictures, and .* has 3"):
        held_out.parts(write_shard(tmp_path / "three", pictures=3, side=16))


def test_a_row_needs_sixty_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(TrainingError, match="at least 120 pictures"):
        held_out.parts(write_shard(tmp_path / "test", pictures=119, side=16, tiles=1))


def test_a_picture_counts_once_however_many_tiles_it_has(tmp_path: Path) -> None:
    one = write_shard(tmp_path / "one", pictures=1, tiles=1, first=1)
    several = write_shard(tmp_path / "several", pictures=1, tiles=3)
    scored = scoring.scores(bicubic.double, data.entries([one, several]))
    tiles = [scoring.scores(bicubic.double, [tile])[0].psnr_y for tile in data.entries([several])]
    assert [score.psnr_y for score in scored] == [scored[0].psnr_y, pytest.approx(np.mean(tiles))]


@pytest.fixture
def test_set(tmp_path: Path) -> Path:
    return write_shard(tmp_path / "test", pictures=4, first=2000, tiles=1)


@pytest.fixture
def two(tmp_path: Path, test_set: Path) -> list[ScoringConfig]:
    """Two models to score, which record what they learned from."""
    learned = Learned.of({"0": ()}, ["1"])
    models = [write_tiny_model(tmp_path / f"m{n}", seed=n, learned=learned) for n in range(2)]
    return [ScoringConfig(str(model), test_set, tmp_path / "board", changed="its seed") for model in models]


def read_board(config: ScoringConfig) -> Scoreboard:
    board = scoreboard.read(config.scoreboard)
    assert board
    return board


@pytest.mark.slow
def test_models_are_scored_and_the_chosen_one_is_tested_once(
    two: list[ScoringConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [scoring.add(config) for config in two]
    assert list(read_board(two[0]).rows) == rows
    assert [r.version for r in rows] == ["m0", "m1"]
    assert [len(r.scores) for r in rows] == [2, 2]
    assert rows[0].parameters == sum(array.size for array in find.model(two[0].model).weights().values())

    result = scoring.final_test(two[1])
    assert read_board(two[1]).final_tests == (result,)
    assert (result.model, result.tiles, result.pictures) == ("m1", 2, 2)
    assert result.interval[0] <= result.score.psnr_y <= result.interval[1]
    assert f"Final test of m1 ({result.revision})" in (two[1].scoreboard / scoreboard.TABLE).read_text()
    assert scoring.final_test(two[1]) == result
    with pytest.raises(TrainingError, match="test another model with another version"):
        scoring.final_test(two[0])
    scoring.add(two[0])
    assert read_board(two[0]).final_tests == (result,)
    monkeypatch.setattr(version, "installed", lambda: "9.0")
    assert scoring.final_test(two[0]).version == "9.0"
    assert len(read_board(two[0]).final_tests) == 2


@pytest.fixture
def quick_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "scores", lambda double, tiles: scores_of(30, 31))


def meanwhile(monkeypatch: pytest.MonkeyPatch, *commands: Callable[[], object]) -> None:
    """Let each command run once, as another process would, after the next scores."""
    scores, left = scoring.scores, list(commands)

    def interrupted(*arguments: Any) -> tuple[Score, ...]:
        found = scores(*arguments)
        while left:
            left.pop()()
        return found

    monkeypatch.setattr(scoring, "scores", interrupted)


def test_rows_and_a_final_test_written_while_another_model_is_scored_stay(
    quick_scores: None, two: list[ScoringConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = two
    scoring.add(first)
    meanwhile(monkeypatch, lambda: scoring.final_test(first), lambda: scoring.add(replace(first, version="again")))
    scoring.add(other)
    assert [r.version for r in read_board(first).rows] == ["m0", "again", "m1"]
    assert [test.model for test in read_board(first).final_tests] == ["m0"]


@pytest.mark.parametrize("same", [True, False])
def test_of_two_final_tests_at_a_time_the_first_to_end_counts(
    quick_scores: None, two: list[ScoringConfig], monkeypatch: pytest.MonkeyPatch, same: bool
) -> None:
    scoring.add(two[0])
    meanwhile(monkeypatch, lambda: scoring.final_test(two[0]))
    if same:
        scoring.final_test(two[0])
    else:
        with pytest.raises(TrainingError, match="test another model with another version"):
            scoring.final_test(two[1])
    assert [test.model for test in read_board(two[0]).final_tests] == ["m0"]


def test_the_test_set_is_fixed_by_the_first_row(two: list[ScoringConfig], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="has no scoreboard; score the candidates first"):
        scoring.final_test(two[0])
    scoring.add(two[0])
    fewer = write_shard(tmp_path / "fewer" / "test", pictures=4, first=2000, tiles=2)  # of the same pictures
    for command in (scoring.add, scoring.final_test):
        with pytest.raises(TrainingError, match="has another test set; give another --scoreboard"):
            command(replace(two[0], test=fewer))
    assert not read_board(two[0]).final_tests


def test_a_model_without_a_record_is_scored_with_a_mark_and_not_tested(
    tmp_path: Path, test_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ScoringConfig(str(write_tiny_model(tmp_path / "old")), test_set, tmp_path / "board")
    assert not scoring.add(config).recorded
    assert "warning: old has no complete record of the pictures it learned from" in capsys.readouterr().err
    with pytest.raises(TrainingError, match="old has no complete record of the pictures it learned from; train it"):
        scoring.final_test(config)


@pytest.mark.slow
@pytest.mark.parametrize("learned_from", ["train_0", "validation"])
def test_a_test_set_that_was_learned_from_is_refused(tmp_path: Path, learned_from: str) -> None:
    write_shard(tmp_path / "train_0", pictures=4)
    write_shard(tmp_path / "validation", pictures=4, first=1000)
    train.run(small_config(tmp_path, steps=1))
    config = ScoringConfig(str(tmp_path / "run"), tmp_path / learned_from, tmp_path / "board")
    verb = "trained" if learned_from == "train_0" else "selected"
    for command in (scoring.add, scoring.final_test):
        if command is scoring.final_test:
            scoreboard.write(
                config.scoreboard,
                Scoreboard(test=tile_index.digest([data.entries([config.test])]), bicubic=scores_of(1)),
            )
        with pytest.raises(TrainingError, match=rf"run was {verb} on 4 of the pictures in .*{learned_from}, such as"):
            command(config)


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
            run._check_finite(run.step, float("nan"), 1.0)
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
    write_shard(tmp_path / "train_0", pictures=4)
    with pytest.raises(TrainingError, match="are in both the training and the test set"):
        ablation.run(replace(planned, test=tmp_path / "train_0"))
    assert not (tmp_path / "runs").exists()


def test_folds_hold_every_picture_out_once(tmp_path: Path) -> None:
    tiles = data.entries([write_shard(tmp_path / "train_0", pictures=11, side=16)])
    parts = [data.split(tiles, k, 5) for k in range(5)]
    held_out = [shards.pictures(inside).keys() for _, inside in parts]
    assert set().union(*held_out) == shards.pictures(tiles).keys()
    assert sorted(map(len, held_out)) == [2, 2, 2, 2, 3]
    for outside, inside in parts:
        assert sorted([*outside, *inside], key=lambda tile: tile.key) == sorted(tiles, key=lambda tile: tile.key)
        assert not shards.pictures(outside).keys() & shards.pictures(inside).keys()


def test_pictures_that_look_alike_are_in_the_same_fold(tmp_path: Path) -> None:
    looks = random_looks(10)
    looks |= {7: looks[0], 8: mirrored(looks[0]), 9: mirrored(mirrored(looks[1]))}
    tiles = data.entries([write_shard(tmp_path / "train_0", pictures=10, side=16, tiles=1, looks=looks)])
    held_out = [{int(picture, 16) for picture in shards.pictures(data.split(tiles, k, 3)[1])} for k in range(3)]
    assert set().union(*held_out) == set(range(10))
    for alike in ({0, 7, 8}, {1, 9}):
        assert any(alike <= fold for fold in held_out)


@pytest.mark.parametrize("name", ["validation", "test"])
def test_copies_of_pictures_held_out_are_left_out(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other, third = random_looks(3).values()
    write_shard(tmp_path / "train_0", looks={0: one, 1: other, 2: mirrored(one)})
    write_shard(tmp_path / name, first=2000, looks={2000: one, 2001: third, 2002: third})
    config = small_config(tmp_path, **{name: (tmp_path / name,)})
    tiles = data.read(config)
    assert shards.pictures(tiles.training).keys() == {f"{1:016x}"}
    assert f"warning: 2 training pictures look like pictures of the {name} set and are" in capsys.readouterr().err
    write_shard(tmp_path / "train_0", looks={0: one, 1: one, 2: mirrored(one)})
    with pytest.raises(TrainingError, match=f"all training pictures look like pictures of the {name} set; give"):
        data.read(config)


def test_pictures_of_the_test_set_are_not_trained_on(tmp_path: Path) -> None:
    config = small_config(tmp_path, test=(tmp_path / "train_0",))
    with pytest.raises(TrainingError, match="3 pictures are in both the training and the test set, such as"):
        data.read(config)


@pytest.mark.slow
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
def searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TuningConfig:
    monkeypatch.setattr(tune, "BATCHES", (2,))
    monkeypatch.setattr(tune, "CROPS", (8,))
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
    assert steps[4:6] == [("trial-0001", 1), ("trial-0001", 1)]  # 2 is the second attempt at 1, from its checkpoint
    assert [name for name, step in steps if step == 0] == ["trial-0000", "trial-0001", "trial-0003"]
    study = open_study(searched.first)
    finished = study.get_trials(states=FINISHED)
    assert len(finished) == searched.trials
    table = (searched.first.out / tune.TABLE).read_text().splitlines()
    assert table[2].startswith(f"| {study.best_trial.user_attrs['run']} | {study.best_value:.3f} |")
    assert len(table) == 2 + searched.trials
    for trial in finished:
        recorded = json.loads((searched.first.out / trial.user_attrs["run"] / "run.json").read_text())
        assert recorded["steps"] == 3
        assert recorded["learning_rate"] == trial.params["learning_rate"]


@pytest.mark.slow
def test_a_hopeless_trial_is_stopped_early(searched: TuningConfig) -> None:
    searched.first.out.mkdir()
    study = open_study(searched.first)
    for n in range(5):
        reported = optuna.trial.create_trial(
            value=99.0, intermediate_values=dict.fromkeys(range(6), 99.0), user_attrs={"run": f"good-{n}"}
        )
        study.add_trial(reported)
    tune.run(replace(searched, trials=6))
    hopeless = study.trials[-1]
    assert hopeless.state == optuna.trial.TrialState.PRUNED
    assert (searched.first.out / "trial-0005" / "log.jsonl").read_text().count("\n") == 1
    table = (searched.first.out / tune.TABLE).read_text().splitlines()
    assert table[-1].startswith(f"| trial-0005 | {hopeless.value:.3f}, stopped early | ")


def test_trials_see_as_many_pixels(tmp_path: Path) -> None:
    first = small_config(tmp_path, steps=1000, batch=36, crop=32)
    drawn = {"batch": 9, "crop": 48, "optimiser": "muon", "learning_rate": 1e-3, "weight_decay": 0.01, "dropout": 0.0}
    config = tune.suggested(optuna.trial.FixedTrial({**drawn, "loss": "l1"}), first)  # type: ignore[arg-type]
    assert (config.batch, config.crop, config.optimiser) == (9, 48, "muon")
    assert config.steps == pytest.approx(1000 * 36 * 32**2 / (9 * 48**2), abs=1)


@pytest.mark.slow
def test_a_trial_that_diverges_is_no_failure(searched: TuningConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train.Run, "advance", lambda run, *batch: run._check_finite(run.step, float("nan"), 1.0))
    tune.run(replace(searched, trials=1))
    study = open_study(searched.first)
    assert [trial.state for trial in study.trials] == [optuna.trial.TrialState.PRUNED]
    assert "| diverged |" in (searched.first.out / tune.TABLE).read_text()


@pytest.mark.slow
def test_a_trial_whose_worker_was_killed_is_done_again(searched: TuningConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training_pipeline.study.HEARTBEAT", 1)
    searched.first.out.mkdir()
    study = open_study(searched.first)
    with warnings.catch_warnings(action="ignore"):
        killed = study.ask()
    tune.suggested(killed, searched.first)
    assert isinstance(study._storage, BaseHeartbeat)
    study._storage.record_heartbeat(killed._trial_id)  # its last heartbeat
    time.sleep(3)
    tune.run(replace(searched, trials=1))
    again = open_study(searched.first).trials[1]
    assert again.params == killed.params
    assert again.user_attrs["run"] == "trial-0000"
    assert study.trials[0].state == optuna.trial.TrialState.FAIL


def test_a_study_of_another_configuration_is_not_gone_on_with(searched: TuningConfig, tmp_path: Path) -> None:
    searched.first.out.mkdir()
    open_study(searched.first)
    with pytest.raises(TrainingError, match="was made with --steps 3, not 4"):
        tune.run(replace(searched, first=replace(searched.first, steps=4)))


def test_a_study_on_other_tiles_is_not_gone_on_with(
    searched: TuningConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "search", lambda config, worker: None)
    searched.first.out.mkdir()
    open_study(searched.first)  # one of an earlier version, which did not record the tiles
    for _ in range(2):
        tune.run(searched)
    shutil.rmtree(tmp_path / "train_0")
    write_shard(tmp_path / "train_0", first=50)
    with pytest.raises(TrainingError, match="search was made with tiles of other content; give the same --shards and"):
        tune.run(searched)


@pytest.mark.slow
def test_two_workers_share_a_study(searched: TuningConfig) -> None:
    tune.run(replace(searched, trials=4, workers=2))
    study = open_study(searched.first)
    finished = study.get_trials(states=FINISHED)
    assert 4 <= len(finished) <= 5
    assert len({trial.params["learning_rate"] for trial in finished}) == len(finished)


@pytest.mark.slow
@pytest.mark.parametrize(("end", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_workers_end_with_their_parent_and_leave_checkpoints(tmp_path: Path, end: signal.Signals, code: int) -> None:
    small_config(tmp_path)
    command = ["-m", "training_pipeline", "tune", "--shards", "train_0", "--validation", "validation", "--size", "4x1"]
    command += ["--threads", "1", "--steps", "1000000", "--trials", "9", "--workers", "2", "--out", "search"]
    process = subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True, bufsize=1
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
    assert [test.model for test in written.final_tests] == ["v1"]
    assert Path("runs/folds/folds.json").exists()
    assert "found:" in capsys.readouterr().out
