"""Combination of networks into one model."""

import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ensemble_pipeline import averaging, combine, publish
from ensemble_pipeline.config import CombineConfig, How, PublishConfig
from ensemble_pipeline.errors import EnsembleError
from support.models import TINY, random_weights, write_run, write_tiny_model
from support.pictures import photo_like
from training_pipeline.errors import TrainingError
from upscaler import Upscaler
from upscaler.errors import ModelError, OptionError
from upscaler.model import artifact
from upscaler.model.architecture import Block
from upscaler.model.artifact import Artifact
from upscaler.model.interpolation import bicubic_kernel
from upscaler.pixels import Pixels


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, ...]:
    return tuple(write_run(tmp_path / f"run_{n}", seed=n, ancestor="a" * 64) for n in range(3))


def test_the_graph_gives_the_mean_of_its_members_computed_plainly(runs: tuple[Path, ...], tmp_path: Path) -> None:
    picture = photo_like(20, 30)
    ensemble = combine.run(CombineConfig(runs, tmp_path / "v1", "outputs"))
    exact = np.mean([plainly_doubled(artifact.read(run), picture) for run in runs], axis=0)
    difference = Upscaler(ensemble, precision="f32").upscale(picture) - np.clip(255 * exact, 0, 255).round()
    assert [member.name for member in ensemble.config.members] == ["run_0", "run_1", "run_2"]
    assert np.abs(difference).max() <= 1


def plainly_doubled(model: Artifact, picture: Pixels) -> NDArray[np.float64]:
    """Compute one network in float64 by its definition: HWC uint8 -> (2H)(2W)C, not clipped."""
    weights, radius = model.weights(), model.config.architecture.radius
    extended = np.pad(picture / 255, ((radius, radius), (radius, radius), (0, 0)), mode="reflect").transpose(2, 0, 1)
    last = sum(1 for _ in model.config.architecture.layers) - 1
    planes = extended
    for i in range(last + 1):
        name = f"networks.0.layers.{i}"
        planes = convolved(planes, weights[f"{name}.weight"]) + weights[f"{name}.bias"][:, None, None]
        if i < last:
            planes = np.where(planes < 0, weights[f"{name}.slope"][:, None, None] * planes, planes)
    inner = extended[:, radius - 2 : 2 - radius, radius - 2 : 2 - radius]
    kernels = bicubic_kernel().reshape(3, 4, 1, 5, 5)
    planes += np.concatenate([convolved(inner[c : c + 1], kernels[c]) for c in range(3)])
    height, width = planes.shape[1:]
    return planes.reshape(3, 2, 2, height, width).transpose(3, 1, 4, 2, 0).reshape(2 * height, 2 * width, 3)


def convolved(planes: NDArray[np.float64], kernel: NDArray[np.float32]) -> NDArray[np.float64]:
    """Convolve IHW with OIkk to O(H - k + 1)(W - k + 1)."""
    views = sliding_window_view(planes, kernel.shape[2:], axis=(1, 2))
    outputs: NDArray[np.float64] = np.einsum("ihwyx,oiyx->ohw", views, kernel.astype(np.float64))
    return outputs


@pytest.mark.parametrize("how", ["outputs", "weights"])
def test_a_mirrored_model_gives_the_mean_over_the_picture_and_its_mirror_image(
    runs: tuple[Path, ...], how: How, tmp_path: Path
) -> None:
    picture = photo_like(20, 30)
    plain = combine.run(CombineConfig(runs, tmp_path / "plain", how))
    mirrored = combine.run(CombineConfig(runs, tmp_path / "mirrored", how, mirrored=True))
    deep = picture.astype(np.uint16) * np.uint16(257)  # at 8 bits, the rounding of both halves would show
    alone, image = Upscaler(plain).upscale(deep), Upscaler(plain).upscale(deep[:, ::-1])[:, ::-1]
    inside = (alone % 65535 > 0) & (image % 65535 > 0)
    difference = Upscaler(mirrored).upscale(deep) - (alone.astype(float) + image) / 2
    assert mirrored.config.networks == 2 * plain.config.networks
    assert (alone != image).any()
    assert np.abs(difference[inside]).max() < (3 if Upscaler(plain).precision == "f32" else 300)


@pytest.mark.parametrize("block", get_args(Block))
def test_every_kind_of_network_has_a_mirror_image(block: Block, tmp_path: Path) -> None:
    run, picture = write_tiny_model(tmp_path / "run", block=block), photo_like(20, 30)
    mirrored = combine.run(CombineConfig((run,), tmp_path / "mirrored", "outputs", mirrored=True))
    doubled = Upscaler(mirrored, "f32").upscale(picture)
    assert np.abs(doubled[:, ::-1].astype(int) - Upscaler(mirrored, "f32").upscale(picture[:, ::-1])).max() <= 1
    assert (doubled != Upscaler(artifact.read(run), "f32").upscale(picture)).any()


def test_weights_are_averaged(runs: tuple[Path, ...], tmp_path: Path) -> None:
    ensemble = combine.run(CombineConfig(runs, tmp_path / "v1", "weights"))
    key = "networks.0.layers.1.weight"
    exact = np.mean([artifact.read(run).weights()[key].astype(np.float64) for run in runs], axis=0)
    assert ensemble.config.networks == 1
    np.testing.assert_array_equal(ensemble.weights()[key], exact.astype(np.float32))


def test_the_mean_of_equal_networks_is_the_network(tmp_path: Path) -> None:
    weights = random_weights(TINY, 1, 0)
    assert averaging.mean_weights([weights] * 5).keys() == weights.keys()
    for key, array in averaging.mean_weights([weights] * 5).items():
        np.testing.assert_array_equal(array, weights[key])


def test_the_warm_start_may_be_averaged_with_its_runs(runs: tuple[Path, ...], tmp_path: Path) -> None:
    mean = combine.run(CombineConfig(runs, tmp_path / "mean", "weights"))
    tuned = write_run(tmp_path / "tuned", 7, ancestor=mean.config.sha256[artifact.WEIGHTS])
    both = combine.run(CombineConfig((mean.folder, tuned), tmp_path / "both", "weights"))
    assert [member.name for member in both.config.members] == ["tuned"]
    for key, array in both.weights().items():
        np.testing.assert_allclose(array, (mean.weights()[key] + artifact.read(tuned).weights()[key]) / 2, atol=1e-6)
    with pytest.raises(EnsembleError, match="is itself an ensemble"):
        combine.run(CombineConfig((mean.folder, tuned), tmp_path / "outputs", "outputs"))


def test_a_chain_of_runs_is_not_averaged(tmp_path: Path) -> None:
    chain: list[Path] = []
    for n in range(3):
        ancestor = artifact.read(chain[-1]).config.sha256[artifact.WEIGHTS] if chain else None
        chain.append(write_run(tmp_path / f"run_{n}", n, ancestor))
    with pytest.raises(EnsembleError, match="no common ancestor"):
        combine.run(CombineConfig(tuple(chain), tmp_path / "v1", "weights"))


def test_weights_without_a_common_ancestor_are_not_averaged(tmp_path: Path) -> None:
    for ancestors in ((None, None), ("a" * 64, "b" * 64), ("a" * 64, None)):
        runs = tuple(write_run(tmp_path / f"{n}", n, ancestor) for n, ancestor in enumerate(ancestors))
        with pytest.raises(EnsembleError, match="no common ancestor"):
            combine.run(CombineConfig(runs, tmp_path / "v1", "weights"))
    assert not (tmp_path / "v1").exists()


def test_networks_of_different_sizes_are_refused(tmp_path: Path) -> None:
    runs = (write_run(tmp_path / "a", 0), write_run(tmp_path / "b", 1, width=5))
    with pytest.raises(EnsembleError, match=r"a is 4x1 and .*b is 5x1"):
        combine.run(CombineConfig(runs, tmp_path / "v1", "outputs"))


def test_averaged_weights_can_be_mirrored_later_with_the_same_card(tmp_path: Path) -> None:
    start = write_run(tmp_path / "beginning", 9)
    ancestor = artifact.read(start).config.sha256[artifact.WEIGHTS]
    runs = tuple(write_run(tmp_path / f"{n}", n, ancestor) for n in range(2))
    (runs[0] / "run.json").write_text(json.dumps({"init_from": str(start)}))
    at_once = combine.run(CombineConfig(runs, tmp_path / "at_once", "weights", mirrored=True))
    combine.run(CombineConfig(runs, tmp_path / "first", "weights"))
    later = combine.run(CombineConfig((tmp_path / "first",), tmp_path / "later", "outputs", mirrored=True))
    assert later.config == at_once.config
    assert later.metrics == at_once.metrics


@pytest.mark.parametrize("measured", ["validation", "selection"])
def test_a_mirrored_model_claims_no_score_of_its_network(
    measured: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, score = write_run(tmp_path / "run", 0), {"psnr_y": 37.25}
    metrics = {"validation": score} if measured == "validation" else {"selection": [{"member": "run", **score}]}
    (run / "metrics.json").write_text(json.dumps(metrics))
    for mirrored in (False, True):
        out = tmp_path / f"mirrored_{mirrored}"
        model = combine.run(CombineConfig((run,), out, mirrored=mirrored))
        printed = capsys.readouterr().out
        assert ("37.25 dB" in printed) is not mirrored
        assert printed.endswith(f"; measure it with python -m ensemble_pipeline evaluate {out}\n") is mirrored
        assert ("validation" in model.metrics) is (measured == "validation" and not mirrored)


def test_an_ensemble_of_ensembles_is_refused(tmp_path: Path) -> None:
    ensemble = write_tiny_model(tmp_path / "e", networks=2)
    with pytest.raises(EnsembleError, match="is itself an ensemble"):
        combine.run(CombineConfig((ensemble,), tmp_path / "v1", "outputs"))


@pytest.mark.parametrize("how", ["outputs", "weights"])
def test_a_mirrored_network_is_no_member(runs: tuple[Path, ...], how: How, tmp_path: Path) -> None:
    both = combine.run(CombineConfig(runs[:1], tmp_path / "both", mirrored=True)).folder
    for given, mirrored in (((both, runs[1]), False), ((both,), True)):
        with pytest.raises(EnsembleError, match="both is itself an ensemble; give its member runs"):
            combine.run(CombineConfig(given, tmp_path / "v1", how, mirrored=mirrored))
    assert not (tmp_path / "v1").exists()


@pytest.mark.parametrize("count", [0, 17])
def test_one_to_sixteen_members(tmp_path: Path, count: int) -> None:
    runs = tuple(tmp_path / str(n) for n in range(count))
    with pytest.raises(EnsembleError, match="give 1 to 16"):
        combine.run(CombineConfig(runs, tmp_path / "v1", "outputs"))


def test_sixteen_members_run_side_by_side(tmp_path: Path) -> None:
    runs = tuple(write_run(tmp_path / f"run_{n}", seed=n % 2) for n in range(16))
    ensemble = combine.run(CombineConfig(runs, tmp_path / "v1", "outputs"))
    picture = photo_like(20, 30)
    alone = np.array([Upscaler(artifact.read(run)).upscale(picture) for run in runs[:2]])
    inside = ((alone > 0) & (alone < 255)).all(axis=0)  # the mean of clipped values is not the clipped mean
    difference = Upscaler(ensemble).upscale(picture) - alone.mean(axis=0)
    assert ensemble.config.networks == 16
    assert inside.mean() > 0.5
    assert np.abs(difference[inside]).max() < 1.01


def test_a_member_is_taken_out_again(runs: tuple[Path, ...], tmp_path: Path) -> None:
    ensemble = combine.run(CombineConfig(runs, tmp_path / "v1", "outputs"))
    config, weights = averaging.single(ensemble, 2)
    original = artifact.read(runs[2])
    assert config.members == original.config.members
    assert weights.keys() == original.weights().keys()
    assert all((weights[key] == array).all() for key, array in original.weights().items())


def test_a_run_given_twice_or_as_the_target_is_refused(runs: tuple[Path, ...], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="same folder twice"):
        combine.run(CombineConfig((*runs, runs[0]), tmp_path / "v1", "outputs"))
    before = (runs[1] / "config.json").read_bytes()
    with pytest.raises(EnsembleError, match="is one of the runs"):
        combine.run(CombineConfig(runs, runs[1], "outputs"))
    assert (runs[1] / "config.json").read_bytes() == before


def test_a_jpeg_network_goes_inside_and_into_the_card(runs: tuple[Path, ...], tmp_path: Path) -> None:
    *clean, jpeg_model = runs
    ensemble = combine.run(CombineConfig(tuple(clean), tmp_path / "v1", "weights", jpeg_model=jpeg_model))
    assert ensemble.jpeg_model
    assert ensemble.jpeg_model.weights_file.read_bytes() == (jpeg_model / "model.safetensors").read_bytes()
    described = (tmp_path / "v1/README.md").read_text().partition("use a second network of the same size")[2]
    assert "| run_2 | train_2 | 10 | 20 |" in described
    assert "| run_1 |" not in described


def test_a_model_for_jpegs_of_another_size_is_refused(runs: tuple[Path, ...], tmp_path: Path) -> None:
    wider = write_run(tmp_path / "wider", 3, width=6)
    with pytest.raises(ModelError, match="has size 6x1, the clean-image network 4x1; combine networks of one size"):
        combine.run(CombineConfig(runs, tmp_path / "v1", "outputs", jpeg_model=wider))
    assert not (tmp_path / "v1").exists()


def test_a_model_for_jpegs_as_the_target_is_refused_and_kept(runs: tuple[Path, ...], tmp_path: Path) -> None:
    before = (runs[2] / "config.json").read_bytes()
    with pytest.raises(EnsembleError, match="is the JPEG network, which would be overwritten"):
        combine.run(CombineConfig(runs[:2], runs[2], "outputs", jpeg_model=runs[2]))
    assert (runs[2] / "config.json").read_bytes() == before


def test_the_card_shows_the_common_warm_start(tmp_path: Path) -> None:
    start = write_run(tmp_path / "beginning", 9)
    ancestor = artifact.read(start).config.sha256[artifact.WEIGHTS]
    runs = tuple(write_run(tmp_path / f"{n}", n, ancestor) for n in range(2))
    (runs[0] / "run.json").write_text(json.dumps({"init_from": str(start)}))
    ensemble = combine.run(CombineConfig(runs, tmp_path / "v1", "weights"))
    assert [member["name"] for member in ensemble.metrics["beginning"]] == ["beginning"]
    assert "| beginning (warm start of all) | train_9 | 10 | 20 |" in (tmp_path / "v1/README.md").read_text()


def test_the_card_omits_a_warm_start_that_has_changed(tmp_path: Path) -> None:
    start = write_run(tmp_path / "beginning", 9)
    runs = tuple(write_run(tmp_path / f"{n}", n, "a" * 64) for n in range(2))
    (runs[0] / "run.json").write_text(json.dumps({"init_from": str(start)}))
    assert "beginning" not in combine.run(CombineConfig(runs, tmp_path / "v1", "weights")).metrics


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        ({"training": [{"network": "x"}]}, r"training\.0\.data: field required"),
        ({"beginning": [{"name": "x"}]}, r"beginning\.0\.parts: field required"),
        ({"teacher": {"training": []}}, r"teacher\.members: field required"),
        ({"validation": None}, "validation: input should be a valid dictionary"),
        ({"selection": [{"member": "x"}]}, r"selection\.0\.psnr_y: field required"),
        ({"tests": {"Set5": {"model": "x", "pictures": 1, "rows": []}}}, r"tests\.Set5: it has no row of its model"),
    ],
)
def test_metrics_with_a_wrong_entry_are_refused(
    runs: tuple[Path, ...], tmp_path: Path, metrics: dict[str, Any], sentence: str
) -> None:
    (runs[1] / "metrics.json").write_text(json.dumps(metrics))
    for work in (
        lambda: combine.run(CombineConfig(runs, tmp_path / "v1")),
        lambda: combine.run(CombineConfig(runs[:1], tmp_path / "v1", jpeg_model=runs[1])),
        lambda: publish.run(PublishConfig(str(runs[1]), "ada/doubler", dry_run=True)),
    ):
        with pytest.raises(TrainingError, match=rf"run_1/metrics\.json: {sentence}"):
            work()
    assert not (tmp_path / "v1").exists()


def test_a_member_whose_record_is_broken_is_refused(runs: tuple[Path, ...], tmp_path: Path) -> None:
    (runs[0] / "run.json").write_text('{"init_from": "run')
    with pytest.raises(TrainingError, match=r"run_0/run\.json: the file: invalid json"):
        combine.run(CombineConfig(runs, tmp_path / "v1"))


@pytest.mark.parametrize("mirrored", [False, True])
def test_networks_that_are_too_large_together_are_one_sentence(
    runs: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirrored: bool
) -> None:
    few = runs[:1] if mirrored else runs
    most = artifact.read(runs[0]).config.architecture.radius
    monkeypatch.setattr(artifact, "MAX_CONVOLUTIONS", most)
    with pytest.raises(EnsembleError, match=r"convolutions, more than the limit of \d+; combine fewer or smaller"):
        combine.run(CombineConfig(few, tmp_path / "v1", mirrored=mirrored))
    assert not (tmp_path / "v1").exists()
    combine.run(CombineConfig(runs[:1], tmp_path / "v1"))
