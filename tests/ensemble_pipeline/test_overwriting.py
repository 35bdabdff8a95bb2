"""Folders of models: no command replaces what another one made, or what another process is writing."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from cluster.engine import Engine
from cluster.lock import InUseError, locked
from cluster.task import Task
from ensemble_pipeline import build, combine, cost, evaluate
from ensemble_pipeline.config import RUNS, SHARDS, VALIDATION, BuildConfig, CombineConfig, EvaluationConfig
from ensemble_pipeline.cost import Cost
from ensemble_pipeline.errors import EnsembleError
from feature_pipeline import pipeline
from feature_pipeline.config import FeatureConfig
from feature_pipeline.errors import FeatureError
from feature_pipeline.manifest import Settings
from support.models import write_run
from support.pictures import photo_like
from support.shards import write_shard
from support.training_runs import small_config
from training_pipeline import evaluation, folder, train
from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError
from training_pipeline.folder import COMBINATION, Kind
from upscaler.atomic import write_text
from upscaler.errors import DoubleResolutionError
from upscaler.model import artifact


@pytest.fixture(autouse=True)
def one_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "MOST_TILES", 1)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, ...]:
    return tuple(write_run(tmp_path / f"run_{n}", seed=n) for n in range(2))


@pytest.fixture
def trained(tmp_path: Path) -> TrainingConfig:
    config = small_config(tmp_path, steps=1)
    train.run(config)
    return config


@pytest.fixture
def ensemble(tmp_path: Path, runs: tuple[Path, ...]) -> CombineConfig:
    config = CombineConfig(runs, tmp_path / "ensemble")
    combine.run(config)
    return config


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(work: Callable[[], object], folder: Path) -> str:
    """The sentence with which work in a folder is refused, which leaves the folder as it is."""
    before = contents(folder)
    with pytest.raises(DoubleResolutionError) as error:
        work()
    assert contents(folder) == before
    return str(error.value)


def test_a_run_replaces_no_other_model(trained: TrainingConfig, ensemble: CombineConfig, tmp_path: Path) -> None:
    def sentence(config: TrainingConfig, out: Path, resume: bool = False) -> str:
        return refused(lambda: train.run(replace(config, out=out), resume), out).removeprefix(f"{out} ")

    other = replace(trained, seed=1)
    to_replace = "another --out, or --overwrite to replace it"
    assert sentence(trained, trained.out) == f"already holds a run; give --resume to continue it, {to_replace}"
    assert sentence(other, trained.out).startswith("already holds a run")
    assert "was made with --seed 0, not 1" in sentence(other, trained.out, resume=True)
    assert sentence(trained, ensemble.out) == f"already holds a combined model; give {to_replace}"
    assert sentence(trained, ensemble.out, resume=True) == "already holds a combined model; give another --out"
    assert sentence(trained, ensemble.runs[0], resume=True) == "already holds a model; give another --out"
    assert sentence(trained, trained.shards[0]) == "holds tile shards; give another --out"


def test_a_run_without_its_checkpoints_is_not_replaced_by_another(trained: TrainingConfig) -> None:
    for path in (trained.out / "checkpoints").iterdir():
        path.unlink()
    work = lambda: train.run(replace(trained, seed=1), resume=True)  # noqa: E731
    assert "was made with --seed 0, not 1" in refused(work, trained.out)


def test_a_combined_model_replaces_no_other_model(
    trained: TrainingConfig, ensemble: CombineConfig, tmp_path: Path
) -> None:
    def sentence(config: CombineConfig) -> str:
        return refused(lambda: combine.run(config), config.out).removeprefix(f"{config.out} ")

    to_replace = "give another --out, or --overwrite to replace it"
    assert sentence(replace(ensemble, out=trained.out)) == f"already holds a run; {to_replace}"
    assert sentence(replace(ensemble, mirrored=True)) == f"already holds a combined model; {to_replace}"
    assert sentence(replace(ensemble, runs=ensemble.runs[:1])) == f"already holds a combined model; {to_replace}"
    assert sentence(replace(ensemble, out=trained.shards[0], overwrite=True)) == "holds tile shards; give another --out"
    assert combine.run(ensemble).config.networks == 2  # the same again


def test_an_evaluation_replaces_no_other_work(
    trained: TrainingConfig, ensemble: CombineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "measure", lambda model, flips=False: Cost(1.0, 10**8))
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo_like(40, 40)).save(tmp_path / "photos/a.png")
    first = EvaluationConfig(models=(str(ensemble.out),), pictures=tmp_path / "photos", out=tmp_path / "table")

    def sentence(config: EvaluationConfig) -> str:
        return refused(lambda: evaluate.run(config), config.out or Path()).removeprefix(f"{config.out} ")

    evaluate.run(first)
    evaluate.run(first)  # the same again
    to_replace = "give another --out, or --overwrite to replace it"
    other = replace(first, jpeg_quality=50)
    assert sentence(other) == f"already holds an evaluation; {to_replace}"
    assert sentence(replace(first, out=trained.out)) == f"already holds a run; {to_replace}"
    assert sentence(replace(first, out=trained.shards[0], overwrite=True)) == "holds tile shards; give another --out"
    assert sentence(replace(first, out=ensemble.out, overwrite=True)).startswith("is a model to be tested; give")
    combined = replace(ensemble, out=tmp_path / "table")
    assert "already holds an evaluation" in refused(lambda: combine.run(combined), combined.out)
    evaluate.run(replace(other, overwrite=True))
    combine.run(replace(combined, overwrite=True))
    assert not any((combined.out / name).exists() for name in ("evaluation.json", "evaluation.md", "evaluate.json"))
    evaluate.run(replace(first, overwrite=True))
    assert {path.name for path in (tmp_path / "table").iterdir()} == {
        *("evaluate.json", "evaluation.json", "evaluation.md", "before_after.png")
    }


def test_interrupted_work_goes_on_with_the_same_command(
    stored: BuildConfig, runs: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cost, "measure", lambda model, flips=False: Cost(1.0, 10**8))
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo_like(40, 40)).save(tmp_path / "photos/a.png")
    evaluation = EvaluationConfig(models=(str(runs[0]),), pictures=tmp_path / "photos", out=tmp_path / "table")
    monkeypatch.chdir(tmp_path / "storage")
    for work, module, last in (
        (partial(build.run, replace(stored, engine=Engine())), combine, "sentence"),
        (partial(evaluate.run, evaluation), evaluate, "draw"),
    ):
        with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
            interrupted.setattr(module, last, partial(interrupted_after, getattr(module, last)))
            work()
        work()


def interrupted_after(work: Callable[..., object], *arguments: object) -> None:
    work(*arguments)
    raise KeyboardInterrupt


def test_what_replaces_a_run_inherits_nothing_of_it(trained: TrainingConfig, ensemble: CombineConfig) -> None:
    (trained.out / artifact.DATA).write_text("# Mine\n")
    combine.run(replace(ensemble, out=trained.out, overwrite=True))
    left = {path.name for path in trained.out.iterdir()} & {"run.json", "log.jsonl", "checkpoints", "tensorboard"}
    assert left == set()
    assert (trained.out / artifact.DATA).exists()
    assert "holds a combined model" in refused(lambda: train.run(trained, resume=True), trained.out)
    train.run(trained, overwrite=True)
    assert not (trained.out / "combine.json").exists()


def test_a_build_refuses_another_models_folder_before_it_makes_anything(
    ensemble: CombineConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    features = FeatureConfig(("train_0",), Path("parts"), endpoint_url="http://127.0.0.1:1")
    config = BuildConfig(features=features, first=small_config(tmp_path), out=ensemble.out)
    assert "already holds a combined model" in refused(lambda: build.run(config), ensemble.out)
    with locked(Path()), pytest.raises(InUseError):
        build.run(replace(config, out=Path("built")))


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuildConfig:
    """A build of two parts in a storage where their networks are."""
    monkeypatch.setattr(Engine, "run", lambda engine, tasks: {})
    for n in range(2):
        write_run(tmp_path / f"storage/runs/train_{n}", seed=n)
    features = FeatureConfig(("train_0", "train_1"), SHARDS)
    first = TrainingConfig((), (SHARDS / VALIDATION,), RUNS, steps=1)
    return BuildConfig(features, first, engine=Engine(storage=str(tmp_path / "storage")))


def test_a_build_in_a_storage_refuses_another_models_folder_before_it_makes_anything(
    stored: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "storage" / stored.out
    build.run(stored)
    build.run(stored)  # the same again
    fewer = replace(stored, features=replace(stored.features, parts=("train_0",)))
    with monkeypatch.context() as nothing_is_made:
        nothing_is_made.delattr(Engine, "run")
        assert "ensembles/built already holds a combined model; give" in refused(lambda: build.run(fewer), out)
    build.run(replace(fewer, overwrite=True))
    assert artifact.read(out).config.networks == 1


@pytest.mark.parametrize("parts", [("train_0",), ("train_0", "test")])
def test_a_build_trains_on_nothing_that_looks_like_the_part_test(
    stored: BuildConfig, monkeypatch: pytest.MonkeyPatch, parts: tuple[str, ...]
) -> None:
    asked: list[list[Task]] = []

    def note(_: Engine, tasks: list[Task]) -> dict[str, str]:
        asked.append(tasks)
        return {} if len(asked) == 1 else {"train_0": "stopped"}

    monkeypatch.setattr(Engine, "run", note)
    with pytest.raises(EnsembleError, match="there is no network of train_0"):
        build.run(replace(stored, features=replace(stored.features, parts=parts), overwrite=True))
    features, training = asked
    assert {task.name for task in features} == {*parts, "validation"}
    work = training[0].work
    assert isinstance(work, partial)
    assert work.args[0].test == tuple(SHARDS / part for part in parts if part == "test")


def test_a_build_in_a_storage_does_not_replace_a_model_that_another_one_made_meanwhile(
    stored: BuildConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "storage" / stored.out

    def build_another(engine: Engine, tasks: object) -> dict[str, str]:
        write_run(out, seed=5)
        return {}

    monkeypatch.setattr(Engine, "run", build_another)
    with pytest.raises(TrainingError, match="already holds a model; give another --out, or --overwrite"):
        build.run(stored)
    assert [member.name for member in artifact.read(out).config.members] == ["built"]


def test_shards_are_not_made_in_a_models_folder(ensemble: CombineConfig) -> None:
    out = ensemble.out.rename(ensemble.out.with_name("train_0")).parent
    with pytest.raises(FeatureError, match="train_0 holds something else than tile shards; give another --out"):
        pipeline.run(FeatureConfig(("train_0",), out, endpoint_url="http://127.0.0.1:1"))


def test_a_second_process_is_refused(tmp_path: Path, runs: tuple[Path, ...]) -> None:
    config = small_config(tmp_path, steps=1)
    with locked(config.out):
        with pytest.raises(InUseError, match=f"another process is writing to {config.out}; wait for its end, or give"):
            train.run(config)
        with pytest.raises(InUseError):
            combine.run(CombineConfig(runs, config.out))
    part = write_shard(tmp_path / "parts/train_0")
    with locked(part), pytest.raises(InUseError):
        pipeline.run(FeatureConfig(("train_0",), part.parent, endpoint_url="http://127.0.0.1:1"))


def test_a_change_of_moments_waits_for_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "PATIENCE", 0.1)
    with locked(tmp_path), pytest.raises(InUseError), folder.turn(tmp_path):
        pass
    with ExitStack() as other:
        other.enter_context(locked(tmp_path))
        monkeypatch.setattr(time, "sleep", lambda seconds: other.close())
        with folder.turn(tmp_path), pytest.raises(InUseError), locked(tmp_path):
            pass


def test_a_killed_process_holds_nothing(tmp_path: Path) -> None:
    hold = f"""
import time
from pathlib import Path
from cluster.lock import locked
with locked(Path({str(tmp_path / "held")!r})):
    print("held", flush=True)
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        with pytest.raises(InUseError), locked(tmp_path / "held"):
            pass
        other.kill()
        other.wait()
    with locked(tmp_path / "held"):
        pass


def test_without_locks_on_folders_work_goes_on(tmp_path: Path) -> None:
    hold = f"""
import sys
sys.modules["fcntl"] = None  # as on Windows
sys.platform = "win32"
from pathlib import Path
from cluster.lock import locked
with locked(Path({str(tmp_path / "held")!r})):
    Path({str(tmp_path / "held/file")!r}).touch()
"""
    subprocess.run([sys.executable, "-c", hold], check=True)
    assert (tmp_path / "held/file").exists()


def test_refused_work_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DoubleResolutionError, match="model 'nowhere' does not exist"):
        train.run(small_config(tmp_path, init_from="nowhere"))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_without_a_checkpoint_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = small_config(tmp_path, steps=1)
    train.run(config, resume=True)
    said = f"{config.out} has no checkpoint; training starts at step 0"
    assert said in capsys.readouterr().err
    train.run(config, resume=True)
    assert said not in capsys.readouterr().err


def test_finished_work_says_what_it_made_and_how_good_it_is(
    tmp_path: Path, runs: tuple[Path, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    config = small_config(tmp_path, steps=1)
    row = train.run(config).metrics["validation"]
    said = capsys.readouterr().out
    assert said.startswith(f"{config.out}: 1 steps, ")
    reached = f"{row['psnr_y']:.2f} dB PSNR (Y) on the validation tiles, bicubic {row['bicubic_psnr_y']:.2f} dB"
    assert said.endswith(f"; {reached}\n")
    combine.run(CombineConfig(runs, tmp_path / "v1"))
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'v1'}: the averaged output of 2 networks, 4 channels")


def test_a_model_from_before_an_option_existed_had_its_default(ensemble: CombineConfig) -> None:
    record = ensemble.out / COMBINATION
    options = json.loads(record.read_text())
    del options["mirrored"], options["distillation"]["batch"]
    record.write_text(json.dumps(options))
    combine.run(ensemble)
    record.write_text(json.dumps(options))
    assert "--overwrite" in refused(lambda: combine.run(replace(ensemble, mirrored=True)), ensemble.out)


def test_a_part_before_its_first_shard_is_not_overwritten(tmp_path: Path) -> None:
    settings = Settings(part="train_0", images=None, tiles_per_image=1, pictures_per_shard=1)
    made = tmp_path / "train_0"
    write_text(made / "config.json", settings.model_dump_json())
    assert folder.kind(made) is Kind.SHARDS
    assert refused(lambda: folder.check(made, lambda _: True, overwrite=True), made).endswith(
        "holds tile shards; give another --out"
    )
