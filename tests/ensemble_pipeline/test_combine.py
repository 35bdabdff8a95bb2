"""Several networks made into one model: what comes out, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from generated import photo_like, random_weights, write_tiny_model

from ensemble_pipeline import combine
from upscaler import Upscaler, artifact
from upscaler.architecture import Architecture
from upscaler.artifact import Member, ModelConfig
from upscaler.errors import EnsembleError


def write_run(folder: Path, seed: int, ancestor: str | None = None, width: int = 4) -> Path:
    architecture = Architecture(width=width, depth=1)
    member = Member(name=folder.name, parts=(f"train_{seed:x}",), pictures=10, steps=20, ancestor=ancestor)
    config = ModelConfig(architecture=architecture, combination="single", members=(member,))
    artifact.write(folder, config, random_weights(architecture, 1, seed), {}, "")
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, ...]:
    return tuple(write_run(tmp_path / f"run_{n}", seed=n, ancestor="a" * 64) for n in range(3))


def test_outputs_are_averaged(runs: tuple[Path, ...], tmp_path: Path) -> None:
    picture = photo_like(20, 30)
    ensemble = combine.run(combine.Config(runs, tmp_path / "v1", "outputs"))
    alone = [Upscaler.load(str(run)).upscale(picture).astype(float) for run in runs]
    difference = Upscaler(ensemble).upscale(picture) - np.mean(alone, axis=0)
    assert [member.name for member in ensemble.config.members] == ["run_0", "run_1", "run_2"]
    assert np.abs(difference).max() < 1.01  # each of the pictures is rounded to a level


def test_weights_are_averaged(runs: tuple[Path, ...], tmp_path: Path) -> None:
    ensemble = combine.run(combine.Config(runs, tmp_path / "v1", "weights"))
    key = "networks.0.layers.1.weight"
    exact = sum(artifact.read(run).weights()[key].astype(np.float64) for run in runs) / 3
    assert ensemble.config.networks == 1
    np.testing.assert_array_equal(ensemble.weights()[key], exact.astype(np.float32))


def test_the_mean_of_equal_networks_is_the_network(tmp_path: Path) -> None:
    weights = random_weights(Architecture(width=4, depth=1), 1, 0)
    assert combine.mean_weights([weights] * 5).keys() == weights.keys()
    for key, array in combine.mean_weights([weights] * 5).items():
        np.testing.assert_array_equal(array, weights[key])


def test_weights_without_a_common_ancestor_are_not_averaged(tmp_path: Path) -> None:
    for ancestors in ((None, None), ("a" * 64, "b" * 64), ("a" * 64, None)):
        runs = tuple(write_run(tmp_path / f"{n}", n, ancestor) for n, ancestor in enumerate(ancestors))
        with pytest.raises(EnsembleError, match="no common ancestor"):
            combine.run(combine.Config(runs, tmp_path / "v1", "weights"))
    assert not (tmp_path / "v1").exists()


def test_networks_of_different_sizes_are_refused(tmp_path: Path) -> None:
    runs = (write_run(tmp_path / "a", 0), write_run(tmp_path / "b", 1, width=5))
    with pytest.raises(EnsembleError, match=r"a is 4x1 and .*b is 5x1"):
        combine.run(combine.Config(runs, tmp_path / "v1", "outputs"))


def test_an_ensemble_of_ensembles_is_refused(tmp_path: Path) -> None:
    ensemble = write_tiny_model(tmp_path / "e", networks=2)
    with pytest.raises(EnsembleError, match="is an ensemble itself"):
        combine.run(combine.Config((ensemble,), tmp_path / "v1", "outputs"))


@pytest.mark.parametrize("count", [0, 17])
def test_one_to_sixteen_members(tmp_path: Path, count: int) -> None:
    with pytest.raises(EnsembleError, match="give 1 to 16"):
        combine.run(combine.Config((write_run(tmp_path / "a", 0),) * count, tmp_path / "v1", "outputs"))


def test_a_member_is_taken_out_again(runs: tuple[Path, ...], tmp_path: Path) -> None:
    ensemble = combine.run(combine.Config(runs, tmp_path / "v1", "outputs"))
    config, weights = combine.single(ensemble, 2)
    original = artifact.read(runs[2])
    assert config.members == original.config.members
    assert weights.keys() == original.weights().keys()
    assert all((weights[key] == array).all() for key, array in original.weights().items())
