"""Resuming: an interrupted run gives bit for bit the result of an uninterrupted one."""

import itertools
import json
import shutil
import signal
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support.shards import write_shard
from support.training_runs import ROOT, small_config
from training_pipeline import checkpoint, data, evaluation, train
from training_pipeline import folder as folder_of_run
from training_pipeline.config import TrainingConfig
from training_pipeline.errors import TrainingError
from training_pipeline.folder import CHECKPOINTS
from training_pipeline.train import Run
from upscaler.model import artifact

State = dict[str, Any]
STEPS = 12
CHANGES: dict[str, Any] = {
    "size": "4x1-gated",
    "steps": STEPS,
    "dropout": 0.2,
    "loss": "charbonnier",
    "optimiser": "muon",
}


@pytest.fixture(autouse=True)
def evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluate every 5 steps, on one tile."""
    monkeypatch.setattr(train, "EVALUATE_EVERY", 5)
    monkeypatch.setattr(evaluation, "MOST_TILES", 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def whole(folder: Path) -> TrainingConfig:
    """Return the configuration of a finished, uninterrupted run."""
    config = small_config(folder, out=folder / "whole", **CHANGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "EVALUATE_EVERY", 5)
        patch.setattr(evaluation, "MOST_TILES", 1)
        train.run(config)
    return config


def log(config: TrainingConfig) -> list[dict[str, Any]]:
    """Read the log's rows without their times."""
    lines = (config.out / "log.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def flat(states: dict[str, Any]) -> dict[str, Any]:
    """Flatten nested states."""
    found: dict[str, Any] = {}
    for key, value in states.items():
        if isinstance(value, list):
            value = dict(enumerate(value))
        inner = flat(value) if isinstance(value, dict) else {"": value}
        found |= {f"{key}.{name}": content for name, content in inner.items()}
    return found


def assert_same(config: TrainingConfig, whole: TrainingConfig, steps: int = STEPS) -> None:
    ours, theirs = (checkpoint.latest(c.out) for c in (config, whole))
    assert ours and theirs and ours.step == theirs.step == steps
    states, expected = flat(ours.states), flat(theirs.states)
    assert states.keys() == expected.keys()
    for key, value in expected.items():
        same = torch.equal(states[key], value) if isinstance(value, torch.Tensor) else states[key] == value
        assert same, key
    assert log(config) == log(whole)
    assert (config.out / artifact.WEIGHTS).read_bytes() == (whole.out / artifact.WEIGHTS).read_bytes()


def stopping_after(steps: Iterator[int], patch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """Send this process a signal after each of the given steps."""
    advance, waiting = Run.advance, next(steps, None)

    def advance_and_stop(run: Run, *batch: torch.Tensor) -> None:
        nonlocal waiting
        advance(run, *batch)
        if run.step == waiting:
            waiting = next(steps, None)
            signal.raise_signal(number)

    patch.setattr(Run, "advance", advance_and_stop)


counter = itertools.count()


@pytest.mark.slow
@settings(max_examples=3)
@given(
    steps=st.sets(st.integers(1, STEPS), min_size=3, max_size=3),
    number=st.sampled_from([signal.SIGINT, signal.SIGTERM]),
)
def test_interrupted_at_three_steps_equals_uninterrupted(
    folder: Path, whole: TrainingConfig, steps: set[int], number: signal.Signals
) -> None:
    config = small_config(folder, out=folder / f"stopped_{next(counter)}", **CHANGES)
    with pytest.MonkeyPatch.context() as patch:
        stopping_after(iter(sorted(steps)), patch, number)
        for step in sorted(steps):
            with pytest.raises(KeyboardInterrupt):
                train.run(config, resume=True)
            stopped = checkpoint.latest(config.out)
            assert stopped and stopped.step == step
        train.run(config, resume=True)
    assert_same(config, whole)


def test_interrupted_while_evaluating_equals_uninterrupted(
    folder: Path, whole: TrainingConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config(folder, out=folder / "evaluating", **CHANGES)
    double = evaluation.double

    def double_and_stop(*arguments: Any) -> Any:
        monkeypatch.setattr(evaluation, "double", double)
        signal.raise_signal(signal.SIGTERM)
        return double(*arguments)

    monkeypatch.setattr(evaluation, "double", double_and_stop)
    with pytest.raises(KeyboardInterrupt):
        train.run(config, resume=True)
    assert log(config) == []
    train.run(config, resume=True)
    assert_same(config, whole)


@pytest.mark.slow
def test_a_truncated_checkpoint_is_skipped_with_a_warning(
    folder: Path, whole: TrainingConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small_config(folder, out=folder / "truncated", **CHANGES)
    train.run(config)
    last = config.out / CHECKPOINTS / f"step-{STEPS:08}.pt"
    last.write_bytes(last.read_bytes()[:-300])
    before = len(log(config))
    monkeypatch.setattr(Run, "train", lambda run: run.journal.close())
    train.run(config, resume=True)
    warning = f"warning: the checkpoint {last} cannot be read; using the previous one"
    assert warning in capsys.readouterr().err
    assert len(log(config)) == before - 1  # rows after the checkpoint are dropped
    monkeypatch.undo()
    monkeypatch.setattr(train, "EVALUATE_EVERY", 5)
    monkeypatch.setattr(evaluation, "MOST_TILES", 1)
    train.run(config, resume=True)
    assert_same(config, whole)


def test_without_a_checkpoint_that_can_be_read_nothing_is_started_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = small_config(folder, out=folder / "bro\x1b[31mken", **CHANGES)
    for step in (5, 10):
        path = config.out / CHECKPOINTS / f"step-{step:08}.pt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match=r"no checkpoint in .* can be read; start again with another --out"):
        train.run(config, resume=True)
    warnings = capsys.readouterr().err
    assert "\x1b" not in warnings
    assert warnings.count(r"bro\x1b[31mken") == 2  # control characters could steer the terminal


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"steps": 11}, "--steps 12, not 11"),
        ({"size": "4x1"}, "--size 4x1-gated, not 4x1"),
    ],
)
def test_a_run_of_another_configuration_is_not_resumed(
    folder: Path, whole: TrainingConfig, change: dict[str, Any], sentence: str
) -> None:
    config = small_config(folder, out=whole.out, **CHANGES | change)
    before = {path: path.read_bytes() for path in whole.out.rglob("*") if path.is_file()}
    with pytest.raises(TrainingError, match=f"{sentence}; resume with the same configuration"):
        train.run(config, resume=True)
    assert {path: path.read_bytes() for path in whole.out.rglob("*") if path.is_file()} == before


def test_a_run_is_resumed_with_the_same_tiles_elsewhere_but_not_with_others(
    folder: Path, whole: TrainingConfig, tmp_path: Path
) -> None:
    shutil.copytree(folder / "train_0", tmp_path / "train_0")
    moved = replace(whole, shards=(tmp_path / "train_0",), threads=2, evaluate_every=3)
    before = (whole.out / artifact.WEIGHTS).read_bytes()
    train.run(moved, resume=True)
    assert (whole.out / artifact.WEIGHTS).read_bytes() == before
    shutil.rmtree(tmp_path / "train_0")
    write_shard(tmp_path / "train_0", first=7)
    with pytest.raises(TrainingError, match="was made with tiles of other content"):
        train.run(moved, resume=True)


def test_a_run_is_not_resumed_with_tiles_moved_from_one_set_to_another(folder: Path, tmp_path: Path) -> None:
    more = write_shard(tmp_path / "train_1", first=100)
    config = small_config(folder, out=tmp_path / "run", steps=1)
    began = replace(config, shards=(*config.shards, more))
    train.run(began)
    moved = [
        replace(config, validation=(more, *config.validation)),
        replace(config, validation=(more,), test=config.validation),
    ]
    for changed in moved:
        with pytest.raises(TrainingError, match="other content; give the same --shards and --validation"):
            train.run(replace(changed, steps=2), resume=True)
    train.run(replace(began, steps=2), resume=True)


def test_a_checkpoint_without_the_split_is_resumed(folder: Path, tmp_path: Path) -> None:
    config = small_config(folder, out=tmp_path / "run", steps=1)
    train.run(config)
    last = config.out / CHECKPOINTS / "step-00000001.pt"
    state = vars(checkpoint.read(last))
    del state["split"]
    torch.save(state, last)
    train.run(replace(config, steps=2), resume=True)
    resumed = checkpoint.latest(config.out)
    assert resumed and resumed.split == (1, 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [15, 40])
def test_a_run_at_a_constant_rate_gets_shorter_or_longer(folder: Path, tmp_path: Path, steps: int) -> None:
    config = small_config(folder, out=tmp_path / "run", **CHANGES | {"steps": 20, "schedule": "wsd"})
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stopping_after(iter([12]), patch, signal.SIGTERM)
        train.run(config)
    for refused in (replace(config, steps=14), replace(config, steps=15, schedule="cosine")):  # would decay already
        with pytest.raises(TrainingError, match="resume with the same configuration"):
            train.run(refused, resume=True)
    train.run(replace(config, steps=steps), resume=True)
    rates = {row["step"]: row["learning_rate"] for row in log(config)}
    assert rates[5] == rates[10] == config.learning_rate
    assert rates[steps] < 0.4 * config.learning_rate
    with pytest.raises(TrainingError, match=f"--steps {steps}, not 14"):
        train.run(replace(config, steps=14), resume=True)


@pytest.mark.slow
def test_a_finished_run_becomes_longer_as_if_trained_at_once(folder: Path, tmp_path: Path) -> None:
    """A run of 50 steps has a warm-up as long as one of 20, so that not a bit differs."""
    config = small_config(folder, out=tmp_path / "run", **CHANGES | {"steps": 20, "schedule": "wsd"})
    train.run(config)
    longer, at_once = (replace(config, steps=50, out=tmp_path / name) for name in ("run", "at_once"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stopping_after(iter([17]), patch, signal.SIGTERM)  # while the run of 20 steps had begun to decay
        train.run(longer, resume=True)
    train.run(longer, resume=True)
    train.run(at_once)
    assert_same(longer, at_once, 50)


@pytest.mark.slow
def test_a_finished_run_with_cosine_decay_becomes_longer(folder: Path, tmp_path: Path) -> None:
    config = small_config(folder, out=tmp_path / "run", **CHANGES | {"steps": 5})
    train.run(config)
    train.run(replace(config, steps=10), resume=True)
    rows = log(config)
    assert [row["step"] for row in rows] == [5, 10]
    assert artifact.read(config.out).config.members[0].steps == max(rows, key=lambda row: row["psnr_y"])["step"]


@pytest.mark.slow
def test_a_checkpoint_is_written_as_often_as_wished(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(checkpoint, "write", lambda run, state: seen.append(state.step))
    train.run(small_config(folder, out=tmp_path / "seldom", steps=3))
    assert set(seen) == {3}
    train.run(small_config(folder, out=tmp_path / "often", steps=3, checkpoint_every=1e-9))
    assert {1, 2, 3} <= set(seen)


def test_the_time_of_a_resumed_run_includes_that_before(whole: TrainingConfig) -> None:
    start = checkpoint.read(whole.out / CHECKPOINTS / f"step-{STEPS:08}.pt")
    assert Run(whole, data.read(whole), replace(start, seconds=1000.0)).seconds >= 1000


@pytest.mark.slow
@pytest.mark.parametrize("step", [10, STEPS])
def test_a_run_continued_from_its_last_checkpoint_alone_has_a_best_one_again(
    folder: Path, whole: TrainingConfig, tmp_path: Path, step: int
) -> None:
    config = small_config(folder, out=tmp_path / "copy", **CHANGES)
    kept = whole.out / CHECKPOINTS / f"step-{step:08}.pt"
    (config.out / CHECKPOINTS).mkdir(parents=True)
    shutil.copy(kept, config.out / CHECKPOINTS)
    start = checkpoint.read(kept)
    start.log[0]["psnr_y"] = 99.0  # its best evaluation, of a checkpoint that was left behind
    checkpoint.write(config.out, start)
    assert train.run(config, resume=True).metrics["validation"]["step"] == STEPS
    assert checkpoint.read_best(config.out).step == STEPS


def test_a_run_that_lacks_a_new_field_is_resumed(whole: TrainingConfig) -> None:
    recorded = whole.as_json()
    del recorded["fold"]
    whole.check_same(recorded)
    del recorded["loss"]  # its default was l1
    with pytest.raises(TrainingError, match="--loss l1, not charbonnier"):
        whole.check_same(recorded)


def test_a_copy_beside_the_checkpoints_is_none(whole: TrainingConfig, tmp_path: Path) -> None:
    shutil.copytree(whole.out, tmp_path / "run")
    last = tmp_path / "run" / CHECKPOINTS / f"step-{STEPS:08}.pt"
    assert folder_of_run.checkpoints(tmp_path / "run")[STEPS] == last
    shutil.copy(last, last.with_stem(f"{last.stem} (copy)"))
    found = checkpoint.latest(tmp_path / "run")
    assert found and found.step == STEPS
    assert list(folder_of_run.checkpoints(tmp_path / "run")) == [5, 10, STEPS]


def test_a_run_with_a_broken_record_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/run.json").write_text('{"steps": 5')
    with pytest.raises(TrainingError, match=r"run\.json: the file: invalid json.*; restore it, or remove it"):
        train.run(small_config(folder, out=tmp_path / "run"), resume=True)


def test_a_run_is_not_overwritten(whole: TrainingConfig) -> None:
    with pytest.raises(TrainingError, match="already holds a run; give --resume to continue it"):
        train.run(whole)


def test_a_finished_run_resumed_is_left_as_it_is(whole: TrainingConfig, capsys: pytest.CaptureFixture[str]) -> None:
    def files() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in whole.out.rglob("*") if path.is_file()}

    before = files()
    made = train.run(replace(whole, threads=2), resume=True)
    assert files() == before
    psnr = f"{max(row['psnr_y'] for row in log(whole)):.2f} dB"
    assert f"is finished and left unchanged; {psnr}" in capsys.readouterr().out
    assert made.metrics == artifact.read(whole.out).metrics


def test_a_longer_run_interrupted_in_its_last_evaluation_is_not_finished(folder: Path, tmp_path: Path) -> None:
    config = small_config(folder, out=tmp_path / "run", **CHANGES | {"steps": 5})
    train.run(config)
    last = checkpoint.latest(config.out)
    assert last
    longer = replace(config, steps=10)
    checkpoint.write(config.out, replace(last, step=10, configuration=longer.as_json()))  # no row of step 10
    train.run(longer, resume=True)
    assert [row["step"] for row in log(longer)] == [5, 10]


@pytest.mark.parametrize("lost", [artifact.CONFIG, artifact.METRICS])
def test_a_finished_run_without_its_model_gets_it_again(
    folder: Path, whole: TrainingConfig, tmp_path: Path, lost: str
) -> None:
    shutil.copytree(whole.out, tmp_path / "copy")
    (tmp_path / "copy" / lost).write_text("{}")  # no model, or one of another run
    again = train.run(replace(whole, out=tmp_path / "copy"), resume=True)
    assert again.metrics == artifact.read(whole.out).metrics | {"training": again.metrics["training"]}


def test_the_last_three_checkpoints_and_the_best_are_kept(folder: Path, tmp_path: Path) -> None:
    config = small_config(folder, out=tmp_path / "many", steps=26)
    train.run(config)
    kept = sorted(path.name for path in (config.out / CHECKPOINTS).iterdir())
    assert kept == ["best.pt", "step-00000020.pt", "step-00000025.pt", "step-00000026.pt"]
    best = checkpoint.read_best(config.out)
    assert best.log[-1]["psnr_y"] == max(row["psnr_y"] for row in log(config))


@settings(max_examples=10)
@given(random=st.randoms(use_true_random=False))
def test_no_broken_checkpoint_escapes_as_another_error(whole: TrainingConfig, random: Any) -> None:
    content = bytearray((whole.out / CHECKPOINTS / checkpoint.BEST).read_bytes())
    broken = whole.out.parent / "broken.pt"
    for _ in range(random.choice([1, 20, 500])):
        content[random.randrange(len(content))] = random.randrange(256)
    broken.write_bytes(content[: random.randrange(len(content))])
    with pytest.raises(TrainingError, match="cannot be read"):
        checkpoint.read(broken)


@settings(max_examples=20)
@given(random=st.randoms(use_true_random=False))
def test_no_overwritten_byte_of_a_checkpoint_is_trained_on(whole: TrainingConfig, random: Any) -> None:
    kept = whole.out / CHECKPOINTS / checkpoint.BEST
    content, broken = bytearray(kept.read_bytes()), whole.out.parent / "overwritten.pt"
    begin = random.randrange(len(content) - 32)
    content[begin : begin + 32] = random.randbytes(32)
    broken.write_bytes(content)
    try:
        found = checkpoint.read(broken)
    except TrainingError as error:
        assert str(error) == f"the checkpoint {broken} cannot be read"
        return
    states, expected = (flat(vars(one)) for one in (found, checkpoint.read(kept)))  # the bytes were padding
    assert states.keys() == expected.keys()
    for key, value in expected.items():
        assert torch.equal(states[key], value) if isinstance(value, torch.Tensor) else states[key] == value


@pytest.mark.parametrize("content", [b"", b"junk", b"X", b"PK\x03\x04junk", b"PK\x05\x06" + bytes(18)])
def test_a_file_of_other_content_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "junk.pt").write_bytes(content)
    with pytest.raises(TrainingError, match=r"junk\.pt cannot be read"):
        checkpoint.read(tmp_path / "junk.pt")


def test_a_lack_of_memory_is_no_damage_of_a_checkpoint(whole: TrainingConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(torch, "load", load)
    with pytest.raises(MemoryError):
        checkpoint.latest(whole.out)


def test_a_checkpoint_that_would_run_a_program_is_only_refused(whole: TrainingConfig, tmp_path: Path) -> None:
    class Program:
        def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
            return Path.touch, (tmp_path / "was here",)

    content = vars(checkpoint.read_best(whole.out))
    torch.save(content | {"log": [*content["log"], Program()]}, tmp_path / "hostile.pt")
    with pytest.raises(TrainingError, match=r"hostile\.pt cannot be read"):
        checkpoint.read(tmp_path / "hostile.pt")
    assert not (tmp_path / "was here").exists()


def test_a_checkpoint_longer_than_its_file_is_not_loaded(whole: TrainingConfig, tmp_path: Path) -> None:
    compressed = tmp_path / "compressed.pt"
    with (
        zipfile.ZipFile(whole.out / CHECKPOINTS / checkpoint.BEST) as stored,
        zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in stored.namelist():
            archive.writestr(name, stored.read(name))
        archive.writestr(f"{name}0", bytes(1 << 24))
    assert torch.load(compressed, weights_only=True)
    with pytest.raises(TrainingError, match="cannot be read"):
        checkpoint.read(compressed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state["states"].pop("average"),
        lambda state: state["states"].update(network=[]),
        lambda state: state["configuration"].pop("steps"),
        lambda state: state["configuration"].update(steps="12"),
        lambda state: state.update(configuration=None),
        lambda state: state.update(step=str(STEPS)),
        lambda state: state.update(log=[{}]),
        lambda state: state.update(other=0),
        lambda state: state.clear(),
    ],
)
def test_a_checkpoint_with_a_wrong_entry_is_skipped(
    whole: TrainingConfig, tmp_path: Path, damage: Callable[[State], None], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(whole.out / CHECKPOINTS, tmp_path / CHECKPOINTS)
    last = tmp_path / CHECKPOINTS / f"step-{STEPS:08}.pt"
    state = vars(checkpoint.read(last))
    damage(state)
    torch.save(state, last)
    found = checkpoint.latest(tmp_path)
    assert found and found.step == 10
    assert f"the checkpoint {last} cannot be read; using the previous one" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["network", "average", "muon"])
def test_a_checkpoint_of_another_network_is_one_sentence(whole: TrainingConfig, tmp_path: Path, name: str) -> None:
    shutil.copytree(whole.out, tmp_path / "run")
    last = tmp_path / "run" / CHECKPOINTS / f"step-{STEPS:08}.pt"
    state = vars(checkpoint.read(last))
    state["states"][name] = {"other": torch.zeros(1)}
    for path in (last, last.with_name(checkpoint.BEST)):
        torch.save(state, path)
    (tmp_path / "run" / artifact.CONFIG).unlink()
    with pytest.raises(TrainingError, match=r"do not fit the run; start again with another --out"):
        train.run(replace(whole, out=tmp_path / "run"), resume=True)


def test_the_checkpoint_in_the_repository_is_read() -> None:
    run = ROOT / "recipes" / "in_progress" / "runs" / "best"  # from before `split`
    found = checkpoint.latest(run)
    assert found and found.step == 30_000 and found.split is None
