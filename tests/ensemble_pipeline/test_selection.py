"""Greedy selection of members: the algorithm, its scores and the resulting model."""

from pathlib import Path

import numpy as np
import pytest

from ensemble_pipeline import averaging, combine, selection, testset
from ensemble_pipeline.config import CombineConfig, How
from ensemble_pipeline.errors import EnsembleError
from support.models import TINY, random_weights, write_run, write_tiny_model
from support.shards import write_shard
from upscaler.model import artifact
from upscaler.model.artifact import Artifact


@pytest.fixture
def validation(tmp_path: Path) -> Path:
    return write_shard(tmp_path / "validation", pictures=2, tiles=1)


def write_member(folder: Path, seed: int, strength: float) -> Artifact:
    """Write a network that adds noise of the given strength to interpolation."""
    weights = random_weights(TINY, 1, seed)
    weights["networks.0.layers.2.weight"] *= np.float32(strength)
    return artifact.read(write_run(folder, seed, ancestor="a" * 64, weights=weights))


@pytest.fixture
def members(tmp_path: Path) -> list[Artifact]:
    """Write two harmless members, and between them one that harms an average."""
    return [write_member(tmp_path / f"run_{n}", n, strength) for n, strength in enumerate((0.02, 5.0, 0.01))]


def test_the_best_comes_first_and_only_what_helps_is_taken() -> None:
    alone = {0: 30.0, 1: 33.0, 2: 32.0, 3: 31.0}
    together = {frozenset({1, 3}): 34.0, frozenset({1, 2}): 33.5, frozenset({1, 2, 3}): 34.2}

    def score(chosen: tuple[int, ...]) -> float:
        return alone[chosen[0]] if len(chosen) == 1 else together.get(frozenset(chosen), 20.0)

    assert selection.greedy(4, score) == [(1, 33.0), (3, 34.0), (2, 34.2)]


def test_one_that_adds_nothing_is_left_out() -> None:
    assert selection.greedy(3, lambda chosen: 30.0) == [(0, 30.0)]


@pytest.mark.parametrize("how", ["outputs", "weights"])
def test_the_score_is_that_of_the_combined_model(
    how: How, members: list[Artifact], validation: Path, tmp_path: Path
) -> None:
    assert how != "distill"
    tiles = testset.read(validation, "shards")
    config, weights = averaging.averaged(members, how)
    errors = selection.luma_errors(artifact.write(tmp_path / "all", config, weights, {}, ""), tiles)
    exact = np.mean([10 * np.log10(255**2 / np.mean(error**2)) for error in errors])
    scored = (
        selection.mean_of_outputs(members, tiles)((0, 1, 2))
        if how == "outputs"
        else selection.psnr_of_mean_weights(members, tiles, (0, 1, 2))
    )
    assert scored == pytest.approx(exact, abs=0.01)


def test_members_without_an_error_have_an_infinite_score(
    members: list[Artifact], validation: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "luma_errors", lambda model, tiles: [np.zeros(4)] * 2)
    tiles = testset.read(validation, "shards")
    assert selection.mean_of_outputs(members, tiles)((0, 1)) == np.inf
    assert selection.psnr_of_mean_weights(members, tiles, (0, 1)) == np.inf


@pytest.mark.parametrize("how", ["outputs", "weights"])
def test_a_harmful_member_is_not_in_the_model(
    how: How, members: list[Artifact], validation: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tuple(member.folder for member in members)
    model = combine.run(CombineConfig(runs, tmp_path / "v1", how, select=True, validation=(validation,)))
    chosen = [member.name for member in model.config.members]
    assert chosen
    assert "run_1" not in chosen
    assert [step["member"] for step in model.metrics["selection"]] == chosen
    gains = [step["psnr_y"] for step in model.metrics["selection"]]
    assert gains == sorted(gains)
    assert f"{chosen[0]}: {gains[0]:.3f} dB" in capsys.readouterr().out


@pytest.mark.parametrize("how", ["outputs", "weights"])
def test_runs_for_jpegs_are_scored_on_jpegs(
    how: How, members: list[Artifact], validation: Path, tmp_path: Path
) -> None:
    for member in members:
        (member.folder / "run.json").write_text('{"jpeg": true}')
    of_jpegs = selection.run(members, how, [validation]).steps[0]["psnr_y"]
    tiles = testset.read(validation, "shards", 80)
    assert of_jpegs == pytest.approx(max(selection.mean_of_outputs(members, tiles)((n,)) for n in range(3)), abs=0.01)
    (members[0].folder / "run.json").unlink()  # as of a combined warm start
    selection.run(members, how, [validation])
    (members[0].folder / "run.json").write_text('{"jpeg": false}')
    runs, out = tuple(member.folder for member in members), write_run(tmp_path / "out", seed=3)
    with pytest.raises(EnsembleError, match="some runs were trained with --jpeg"):
        combine.run(CombineConfig(runs, out, how, select=True, validation=(validation,), overwrite=True))
    assert artifact.read(out)


def test_one_run_alone_is_chosen(tmp_path: Path, validation: Path) -> None:
    run = write_tiny_model(tmp_path / "run")
    assert (
        combine.run(
            CombineConfig((run,), tmp_path / "v1", "outputs", select=True, validation=(validation,))
        ).config.networks
        == 1
    )
