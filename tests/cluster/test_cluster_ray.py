"""Tasks on a real Ray cluster of several nodes, with storage on S3: the same bytes as without Ray."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from ray.cluster_utils import Cluster

from cluster import on_ray, storage
from cluster.engine import Engine
from cluster.task import Task
from ensemble_pipeline import build
from ensemble_pipeline.config import RUNS, SHARDS, VALIDATION, BuildConfig
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline import tasks as features
from feature_pipeline.config import FeatureConfig
from support import slow_tasks
from support.open_images import open_images
from support.ray_cluster import add_node
from training_pipeline import tune
from training_pipeline.commands import TuningConfig
from training_pipeline.config import TrainingConfig
from training_pipeline.study import FINISHED, open_study, run_name
from upscaler.model import artifact, find

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore::ResourceWarning")]

PARTS = ("train_0", "train_5", "train_a", "train_f")


@pytest.fixture
def images() -> Iterator[str]:
    """Yield the address of a tiny copy of Open Images."""
    with open_images((*PARTS, "validation")) as address:
        yield address


def config(images: str, engine: Engine, parts: tuple[str, ...] = PARTS, **changes: Any) -> BuildConfig:
    features = FeatureConfig(parts, SHARDS, images, tiles_per_image=1, pictures_per_shard=1)
    first = TrainingConfig((), (SHARDS / VALIDATION,), RUNS, "4x1", steps=4, batch=2, crop=16, threads=1, **changes)
    return BuildConfig(features, first, Path("ensembles/built"), "outputs", engine)


def files(place: str, tmp_path: Path) -> dict[str, bytes]:
    """Return the tars and the weights in the storage, by name."""
    shared, found = storage.at(place), {}
    for folder in ("shards", "runs", "ensembles"):
        for name in shared.sizes(folder):
            if name.endswith((".tar", artifact.WEIGHTS)):
                shared.get(f"{folder}/{name}", tmp_path / "got")
                found[f"{folder}/{name}"] = (tmp_path / "got").read_bytes()
    return found


def wait_for(place: str, folder: str, suffix: str, held: Path) -> None:
    """Wait until a file is in the storage and the work is held up: killed before that, it would be held up again."""
    until = time.monotonic() + 120
    while not (held.exists() and any(name.endswith(suffix) for name in storage.at(place).sizes(folder))):
        assert time.monotonic() < until
        time.sleep(0.1)


def test_four_parts_on_two_nodes_give_the_same_bytes_as_one_process(
    cluster: Cluster, bucket: str, images: str, tmp_path: Path
) -> None:
    add_node(cluster)
    add_node(cluster)
    build.run(config(images, Engine("ray", cluster.address, bucket)))
    build.run(config(images, Engine(storage=str(tmp_path / "local"))))
    ours, theirs = files(bucket, tmp_path), files(str(tmp_path / "local"), tmp_path)
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if ours[name] != theirs[name]] == []
    assert sum(name.endswith(".tar") for name in ours) == 4 * 5
    assert find.model(str(tmp_path / "local/ensembles/built")).config.networks == 4


def test_nodes_killed_in_the_middle_change_nothing(cluster: Cluster, bucket: str, images: str, tmp_path: Path) -> None:
    local = str(tmp_path / "local")
    engine = Engine("ray", cluster.address, bucket)
    part = config(images, engine, ("train_0",)).features
    slow_tasks.make_part(replace(part, parts=("validation",)), bucket, None)
    held = tmp_path / "part"
    run_killed(
        cluster, engine, partial(slow_tasks.make_part, part, bucket, held), "shards/train_0", "-00000.json", held
    )
    for name in ("validation", "train_0"):
        slow_tasks.make_part(replace(part, parts=(name,)), local, None)
    run = replace(config(images, engine).first, shards=(SHARDS / "train_0",), out=RUNS / "0", steps=6)
    held = tmp_path / "run"
    run_killed(cluster, engine, partial(slow_tasks.train_in, run, bucket, held), "runs/0", "step-00000002.pt", held)
    slow_tasks.train_in(run, local, None)
    assert files(bucket, tmp_path) == files(local, tmp_path)


def run_killed(cluster: Cluster, engine: Engine, work: Callable[[], None], folder: str, first: str, held: Path) -> None:
    """Run work on a node that is killed when the first result is in the storage, then on another."""
    node = add_node(cluster)
    with ThreadPoolExecutor(1) as thread:
        failed = thread.submit(engine.run, [Task("task", "work", work)])
        wait_for(str(engine.storage), folder, first, held)
        assert not failed.done()
        cluster.remove_node(node, allow_graceful=False)
        replacement = add_node(cluster)
        assert failed.result(timeout=120) == {}
    cluster.remove_node(replacement)


def test_a_part_that_fails_is_named_and_the_others_are_finished(
    cluster: Cluster, bucket: str, images: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add_node(cluster)
    built = config(images, Engine("ray", cluster.address, bucket), ("train_0", "train_7"))
    with pytest.raises(EnsembleError, match=r"there is no network of train_7; .* --allow-missing"):
        build.run(built)
    assert "error: train_7: " in capsys.readouterr().err
    assert storage.at(bucket).sizes("ensembles") == {}
    build.run(replace(built, allow_missing=True))
    assert artifact.CONFIG in storage.at(bucket).sizes("ensembles/built")


def test_trials_of_one_study_are_trained_on_the_cluster_and_stopped_early(
    cluster: Cluster, bucket: str, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tune, "BATCHES", (2,))
    monkeypatch.setattr(tune, "CROPS", (16,))
    add_node(cluster)
    engine = Engine("ray", cluster.address, bucket)
    parts = config(images, engine, ("train_0", "validation")).features
    assert Engine().run(features.tasks(parts, bucket)) == {}
    first = replace(config(images, engine).first, shards=(SHARDS / "train_0",), out=Path("search"))
    first.out.mkdir()
    study = open_study(first)
    good = optuna.trial.create_trial(
        value=99.0, intermediate_values=dict.fromkeys(range(6), 99.0), user_attrs={"run": "good"}
    )
    study.add_trials([good] * 4)  # the fifth finished trial is the first with a median
    tune.run(TuningConfig(first, trials=6, workers=2, engine=engine))
    trials = study.get_trials(states=FINISHED)[4:]
    assert {trial.state for trial in trials} == {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in trials:
        finished = artifact.WEIGHTS in storage.at(bucket).sizes(f"search/{run_name(trial)}")
        assert finished == (trial.state == TrialState.COMPLETE)
        assert len(trial.intermediate_values) == (4 if finished else 1)


def test_tasks_that_no_node_can_hold_are_named_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 4.0}},
        {"Alive": True, "Resources": {"CPU": 2.0, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
    ]
    monkeypatch.setattr("ray.nodes", lambda: nodes)
    tasks = [Task("a", "training", print, cpus, gpus) for cpus, gpus in ((4, 0), (2, 1), (1, 0.5), (8, 0), (4, 1))]
    on_ray.warn_of_waiting(tasks * 2)
    said = capsys.readouterr().err
    assert said.count("warning") == 2
    assert "8 cores and 0 GPUs" in said
    assert "4 cores and 1 GPUs" in said
