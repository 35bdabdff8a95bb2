"""The training command line: its results, and one sentence, with nothing written, for invalid input."""

import itertools
import json
import math
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from feature_pipeline.spacing import spread
from support.clock import NOON, Clock
from support.models import write_tiny_model
from support.shards import write_shard
from support.training_runs import environment, small_config
from training_pipeline import beginning, checkpoint, data, evaluation, train
from training_pipeline.__main__ import main
from training_pipeline.batches import Batches
from training_pipeline.checkpoint import Checkpoint
from training_pipeline.folder import CHECKPOINTS
from training_pipeline.train import DivergedError
from upscaler import Upscaler, bicubic, metrics
from upscaler.model import artifact

SMALL = ["--size", "4x1", "--batch", "2", "--crop", "8", "--threads", "1"]

Command = Callable[..., None]


@pytest.fixture(autouse=True)
def one_tile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluate on one tile."""
    monkeypatch.setattr(evaluation, "MOST_TILES", 1)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Run the command line on shards in a temporary folder, with the given arguments replaced."""
    write_shard(tmp_path / "train_0")
    write_shard(tmp_path / "validation", first=1000)

    def run(**changes: str | None) -> None:
        values = {"shards": "train_0", "validation": "validation", "out": "runs/0", "steps": "3"} | changes
        options = [text for name, value in values.items() if value is not None for text in (f"--{name}", value)]
        main_with([option.replace("_", "-") if option.startswith("--") else option for option in options])

    def main_with(options: list[str]) -> None:
        monkeypatch.setattr(sys, "argv", ["training_pipeline", *SMALL, *filter(None, options)])
        main()

    monkeypatch.chdir(tmp_path)
    return run


def refusal(command: Command, **changes: str | None) -> str:
    """Return the command's error message."""
    with pytest.raises(SystemExit) as stop:
        command(**changes)
    message = str(stop.value.code)
    assert message.startswith("error: ")
    assert "\n" not in message
    return message


@pytest.mark.slow
def test_a_run_that_is_compiled_says_why_its_first_step_takes_long(
    command: Command, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training_pipeline.config.LONG_STEPS", 2)
    monkeypatch.setattr("training_pipeline.device.compiled", lambda network, device, graphs: partial(network))
    command(steps="1")
    assert "compiling" not in capsys.readouterr().err
    command(steps="2", out="runs/1")
    assert "compiling" in capsys.readouterr().err


def test_a_run_leaves_an_artifact_and_its_log(command: Command) -> None:
    command()
    run = artifact.read(Path("runs/0"))
    assert run.config.members[0].model_dump() == {
        "name": "0",
        "parts": ("train_0",),
        "pictures": 3,
        "steps": 3,
        "ancestor": None,
    }
    assert json.loads(Path("runs/0/run.json").read_text(encoding="utf-8"))["steps"] == 3
    assert run.metrics["validation"]["step"] == 3
    assert {path.name for path in Path("runs/0").iterdir()} >= {"learning_curve.png", "crops.png", "log.jsonl"}
    assert not Path("runs/0/tensorboard").exists()  # trackers are off by default
    assert Upscaler(run).upscale(np.zeros((5, 6, 3), np.uint8)).shape == (10, 12, 3)


def test_a_run_tells_what_it_used(command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    command()
    assert "runs/0: 3 steps, 3.84e+02 LR pixels, 0.00 hours on " in capsys.readouterr().out  # 2 crops of 8x8 a step


def test_a_run_is_evaluated_as_often_as_wished_beside_bicubic(
    command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    command(evaluate_every="2")
    rows = [json.loads(line) for line in Path("runs/0/log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["step"] for row in rows] == [2, 3]
    (tile,) = spread(data.entries([Path("validation")]), 1)
    sample = data.load(tile)
    expected = metrics.score(bicubic.double(sample.lr), sample.hr).psnr_y
    assert [row["bicubic_psnr_y"] for row in rows] == [expected, expected]
    assert f"bicubic {expected:.2f} dB" in capsys.readouterr().out


@pytest.mark.slow
def test_the_card_of_a_run_names_its_data_set(command: Command) -> None:
    command(out="runs/open", steps="1")
    Path("runs/mine").mkdir()
    Path("runs/mine/DATA.md").write_text("# Ada's photos\nAll by Ada, CC0.\n", encoding="utf-8")
    command(out="runs/mine", steps="1")
    assert "trained on train_0 of its own training data for 1" in Path("runs/open/README.md").read_text(
        encoding="utf-8"
    )
    assert "trained on train_0 of Ada's photos for 1 steps" in Path("runs/mine/README.md").read_text(encoding="utf-8")


def test_each_run_has_the_name_of_its_shards_wherever_the_command_runs(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "linked").symlink_to("train_0")
    monkeypatch.chdir(tmp_path / "train_0")
    for shards, name in ((".", "train_0"), ("../linked", "linked")):
        command(shards=shards, validation="../validation", out="../runs", each="", steps="1")
        assert artifact.read(tmp_path / "runs" / name).config.networks == 1


@pytest.mark.slow
def test_a_run_from_another_one_names_its_ancestor(command: Command) -> None:
    command(out="runs/first")
    command(out="runs/second", init_from="runs/first", learning_rate="1e-9")
    first, second = (artifact.read(Path("runs") / name) for name in ("first", "second"))
    assert second.config.members[0].ancestor == first.config.sha256[artifact.WEIGHTS]
    for key, array in first.weights().items():
        np.testing.assert_allclose(second.weights()[key], array, atol=1e-6)


@pytest.mark.slow
def test_a_deeper_network_begins_as_a_shallower_one(command: Command) -> None:
    command(out="runs/first")
    command(out="runs/second", init_from="runs/first", size="4x2", learning_rate="1e-9")
    picture = np.random.default_rng(0).integers(256, size=(9, 8, 3), dtype=np.uint8)
    first, second = (Upscaler(artifact.read(Path("runs") / name)).upscale(picture) for name in ("first", "second"))
    np.testing.assert_allclose(first.astype(int), second, atol=1)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("steps", "0", "--steps must be 1 or more, got 0"),
        ("minutes", "-1", "--minutes must be above 0, got -1.0"),
        ("share", "0", "--share must be above 0 and at most 1, got 0.0"),
        ("share", "1.5", "--share must be above 0 and at most 1, got 1.5"),
        ("share", "nan", "--share must be a finite number, got nan"),
        ("batch", "0", "--batch must be 1 to 65536, got 0"),
        ("crop", "61", "--crop must be 1 to 60, got 61"),
        ("learning_rate", "0", "--learning-rate must be above 0, got 0.0"),
        ("learning_rate", "inf", "--learning-rate must be a finite number, got inf"),
        ("weight_decay", "-0.1", "--weight-decay must be 0 or more, got -0.1"),
        ("dropout", "1", "--dropout must be 0 or more and below 1, got 1.0"),
        ("average", "1", "--average must be 0 or more and below 1, got 1.0"),
        ("clip", "0", "--clip must be above 0, got 0.0"),
        ("seed", "9" * 23, "--seed must be 0 to 4294967295, got 9999"),
        ("threads", "0", "--threads must be 1 to 1024, got 0"),
        ("size", "huge", "unknown size 'huge'"),
        ("init_from", "nowhere", "model 'nowhere' does not exist"),
        ("shards", "nowhere", "nowhere has no tile shards"),
        ("validation", "nowhere", "nowhere has no tile shards"),
    ],
)
def test_an_argument_that_cannot_be_used_is_refused(command: Command, option: str, value: str, sentence: str) -> None:
    changes: dict[str, str | None] = {option: value}
    if option == "minutes":
        changes["steps"] = None
    assert sentence in refusal(command, **changes)
    assert not Path("runs").exists()


def test_shards_without_tiles_are_refused(command: Command) -> None:
    write_shard(Path("empty"), pictures=0)
    assert "the shards have no tiles" in refusal(command, shards="empty")


@pytest.mark.parametrize("damage", [lambda tar: tar[: len(tar) // 3], lambda tar: bytes(len(tar))])
def test_a_broken_shard_is_refused(command: Command, damage: Callable[[bytes], bytes]) -> None:
    tar = Path("train_0/train_0-00000.tar")
    tar.write_bytes(damage(tar.read_bytes()))
    assert "cannot be read; remove the shard and run the feature pipeline again" in refusal(command)


def test_tiles_of_the_wrong_size_are_refused(command: Command) -> None:
    write_shard(Path("large"), side=300)
    message = refusal(command, shards="large")
    assert "are (150, 150) and (300, 300), not 128 and 256 pixels a side" in message


def test_a_validation_set_that_shares_pictures_is_refused(command: Command) -> None:
    write_shard(Path("other"), pictures=4, first=2)
    message = refusal(command, validation="other")
    assert "1 pictures are in both the training and the validation set, such as 0000000000000002" in message
    assert not Path("runs").exists()


def test_a_warm_start_of_another_size_is_refused(command: Command, tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    assert "is no warm start for the size 5x1" in refusal(command, init_from=str(model), size="5x1")
    pair = write_tiny_model(tmp_path / "pair", networks=2)
    assert "is no warm start for the size 4x1" in refusal(command, init_from=str(pair))


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "EVALUATE_EVERY", 2)
    config = small_config(tmp_path)
    load = Batches.__getitem__

    def poisoned(batches: Batches, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        lr, hr = load(batches, step)
        return lr, hr * math.nan if step == 5 else hr

    monkeypatch.setattr(Batches, "__getitem__", poisoned)
    with pytest.raises(DivergedError, match=r"the loss is nan .* at step 5; the checkpoints before it are in"):
        train.run(config)
    kept = checkpoint.latest(config.out)
    assert kept and kept.step == 4
    assert all(value.isfinite().all() for value in kept.states["network"].values())
    assert not (config.out / artifact.CONFIG).exists()


def test_a_full_disk_leaves_no_half_checkpoint(tmp_path: Path) -> None:
    state = {"network": {"weight": torch.zeros(100_000)}}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))  # a full disk
    try:
        with pytest.raises(OSError, match="File too large"):
            checkpoint.write(tmp_path, Checkpoint({}, "", 1, 0.0, [], state))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((tmp_path / CHECKPOINTS).iterdir()) == []


@pytest.mark.slow
def test_a_budget_in_minutes_ends_with_its_last_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = simulated_clock(monkeypatch, a_step=1.0, a_tile=3.0)
    monkeypatch.setattr(evaluation, "MOST_TILES", 4)
    config = small_config(tmp_path, steps=None, minutes=2.0)
    train.run(config)
    last = json.loads((config.out / "log.jsonl").read_text().splitlines()[-1])
    assert last["seconds"] == pytest.approx(120, rel=0.05)
    assert last["learning_rate"] == pytest.approx(0.01 * config.learning_rate, rel=0.2)  # the end of the schedule
    assert clock.seconds - NOON > 110


def simulated_clock(patch: pytest.MonkeyPatch, a_step: float, a_tile: float) -> Clock:
    """Replace the clock by one that training and evaluation advance by fixed amounts."""
    clock = Clock()

    def lasting(function: Callable[..., Any], seconds: float) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            clock.sleep(seconds)
            return function(*arguments)

        return timed

    patch.setattr(time, "monotonic", clock.now)
    for owner, name, seconds in ((train.Run, "advance", a_step), (evaluation, "double", a_tile)):
        patch.setattr(owner, name, lasting(getattr(owner, name), seconds))
    return clock


def test_a_run_on_jpegs_is_scored_on_jpegs(tmp_path: Path) -> None:
    config = small_config(tmp_path)
    tiles, network = data.read(config).validation, beginning.network(config)
    clean, jpeg = (metrics.mean(list(evaluation.scores(network, tiles, jpeg))) for jpeg in (False, True))
    assert jpeg.psnr_y < clean.psnr_y - 0.5
    logged = train.run(small_config(tmp_path, jpeg=True, steps=1)).metrics["validation"]["psnr_y"]
    assert logged == pytest.approx(jpeg.psnr_y, abs=0.3)


def test_a_share_of_the_pictures_holds_a_smaller_one(tmp_path: Path) -> None:
    tiles = data.entries([write_shard(tmp_path / "train_0", pictures=10, side=16)])
    shares = [set(data.share(tiles, part).ids.tolist()) for part in (0.01, 0.3, 0.7, 1.0)]
    assert [len(share) for share in shares] == [1, 3, 7, 10]
    assert all(smaller < larger for smaller, larger in itertools.pairwise(shares))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_writes_a_checkpoint_and_the_run_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    write_shard(tmp_path / "train_0")
    write_shard(tmp_path / "validation", first=1000)
    arguments = ["--shards", "train_0", "--validation", "validation", "--out", "run", "--steps", "1000000", *SMALL]
    program = [sys.executable, "-m", "training_pipeline", *arguments]
    process = subprocess.Popen(program, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True, bufsize=1)
    assert process.stderr
    while "step=" not in process.stderr.read(40):
        assert process.poll() is None
    process.send_signal(number)
    _, messages = process.communicate(timeout=60)
    stopped = checkpoint.latest(tmp_path / "run")
    assert process.returncode == 130
    assert stopped and stopped.step > 0
    assert f"interrupted at step {stopped.step}; continue with the same command and --resume" in messages
    assert "Traceback" not in messages
