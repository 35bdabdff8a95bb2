"""Options: each declared once, in a config, and checked wherever the config is made."""

import argparse
import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from apps.monitor.__main__ import BackfillConfig
from benchmarks.__main__ import STAGES, BenchmarkConfig
from cluster.engine import Engine
from ensemble_pipeline.__main__ import main as ensemble
from ensemble_pipeline.config import BuildConfig, CombineConfig, Distillation
from feature_pipeline.config import FeatureConfig
from training_pipeline.commands import TuningConfig
from training_pipeline.config import TrainingConfig
from upscaler import Options, saved
from upscaler.__main__ import main
from upscaler.arguments import add_options
from upscaler.errors import OptionError
from upscaler.options import Declared, Nested, check_limits, members, option, option_name, part, same
from upscaler.program import Command

ROOT = Path(__file__).parents[2]
PROGRAMS = [
    "upscaler",
    "batch_pipeline",
    "feature_pipeline",
    "training_pipeline",
    "ensemble_pipeline",
    "apps.ui",
    "apps.monitor",
]
MODULES = [*(f"{name}.__main__" for name in [*PROGRAMS, "benchmarks"]), "apps.push"]
COMMANDS = [
    pytest.param(command, id=f"{module} {command.name}")
    for module in MODULES
    for command in import_module(module).COMMANDS
    if isinstance(command, Command)
]


def sources() -> Iterator[Path]:
    folders = (
        "upscaler",
        "batch_pipeline",
        "cluster",
        "feature_pipeline",
        "training_pipeline",
        "ensemble_pipeline",
        "apps",
        "benchmarks",
    )
    return (path for folder in (*folders, "docs") for path in (ROOT / folder).rglob("*.py"))


def flags_in(source: str) -> list[str]:
    """The flags that a source file spells in calls of add_argument."""
    return [
        str(word.value)
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "add_argument"
        for word in call.args
        if isinstance(word, ast.Constant) and str(word.value).startswith("-")
    ]


def test_no_flag_is_added_by_hand() -> None:
    assert flags_in('parser.add_argument("-n", "--name")') == ["-n", "--name"]
    assert {path.name: flags for path in sources() if (flags := flags_in(path.read_text(encoding="utf-8")))} == {}


def declared(config: type, names: tuple[str, ...] = ()) -> Iterator[Declared]:
    """All options of a config, those of nested ones included."""
    for one in members(config, names):
        if isinstance(one, Nested):
            yield from declared(one.config, one.part.names)
        else:
            yield one


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_comes_from_a_field_with_a_help(command: "Command[Any]") -> None:
    parser = argparse.ArgumentParser(add_help=False)
    add_options(parser, command.config, command.only)
    options = list(declared(command.config, command.only))
    assert options
    assert [one.name for one in options if not one.option.help] == []
    named = {action.option_strings[-1] if action.option_strings else action.dest for action in parser._actions}
    assert {name.replace("--no-", "--") for name in named} == {
        one.field if one.option.positional else one.name for one in options
    }
    assert not any(word in parser.format_help() for word in ("default: None", "default: False", "default: ())"))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Options(quality=101), "--quality must be 1 to 100, got 101"),
        (lambda: FeatureConfig(("train_0",), Path("x"), images=-5), "--images must be 1 or more, got -5"),
        (lambda: FeatureConfig(("train_0",), Path("x"), workers=0), "--workers must be 1 to 1024, got 0"),
        (
            lambda: TrainingConfig((), (), Path("x"), steps=1, dropout=1.0),
            "--dropout must be 0 or more and below 1, got",
        ),
        (
            lambda: TrainingConfig((), (), Path("x"), steps=1, loss="l2"),  # type: ignore[arg-type]
            "--loss must be l1 or charbonnier or luma, got",
        ),
        (lambda: Engine(gpus=-1), "--gpus must be 0 or more, got -1"),
        (lambda: Distillation(steps=0), "--steps must be 1 or more, got 0"),
        (
            lambda: CombineConfig((), Path("x"), how="best"),  # type: ignore[arg-type]
            "--how must be outputs or weights or distill, got best",
        ),
        (lambda: TuningConfig(TrainingConfig((), (), Path("x"), steps=1), trials=0), "--trials must be 1 or more, got"),
        (lambda: BenchmarkConfig(stages=("files", "speed")), "stages must be "),
        (lambda: BackfillConfig(days=0), "--days must be 1 or more, got 0"),
    ],
)
def test_a_value_outside_its_limits_is_refused_wherever_a_config_is_made(make: Any, sentence: str) -> None:
    with pytest.raises(OptionError) as refused:
        make()
    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("option", "value", "limits"),
    [("--images", "-5", "1 or more"), ("--workers", "0", "1 to 1024"), ("--steps", "0", "1 or more")],
)
def test_build_refuses_as_the_stages_do(option: str, value: str, limits: str) -> None:
    with pytest.raises(SystemExit, match=rf"error: {option} must be {limits}, got {value}"):
        ensemble(["build", "--parts", "0", "a", "--steps", "1", option, value])


def test_build_offers_every_option_that_its_runs_can_share() -> None:
    (nested,) = (one for one in members(BuildConfig) if isinstance(one, Nested) and one.config is TrainingConfig)
    offered = {one.name for one in declared(TrainingConfig, nested.part.names)}
    all_options = {one.name for one in declared(TrainingConfig)}
    assert all_options - offered == {"--shards", "--validation", "--test", "--out", "--minutes"}


def test_a_declaration_is_reused_with_another_default() -> None:
    assert option_name(CombineConfig, "jpeg_model") == "--jpeg-model"
    (steps,) = members(Distillation, ("steps",))
    (original,) = members(TrainingConfig, ("steps",))
    assert isinstance(steps, Declared)
    assert isinstance(original, Declared)
    assert steps.option == original.option
    assert same(TrainingConfig, "steps", default=7).default == 7
    assert option("", default=1).metadata.keys() != part().metadata.keys()


def test_a_program_is_found_by_its_name_and_a_picture_of_that_name_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["train", "tune", "--help"])
    assert capsys.readouterr().out.startswith("usage: double-resolution train tune [-h] --shards")
    (tmp_path / "ui").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["./ui", "--model", "fast"])
    assert ended.value.code == 1
    assert "ui" in capsys.readouterr().err


def test_a_run_is_repeated_from_its_saved_config(tmp_path: Path) -> None:
    first = TrainingConfig((Path("a"), Path("b")), (Path("v"),), tmp_path / "0", steps=7, dropout=0.5, branches=False)
    (tmp_path / "run.json").write_text(json.dumps(first.as_json()))
    runs = parsed(
        "training_pipeline", "", "--config", tmp_path / "run.json", "--out", tmp_path / "1", "--dropout", "0.25"
    )
    assert runs.first == replace(first, out=tmp_path / "1", dropout=0.25)

    student = Distillation(into="4x1", shards=(Path("a"),), steps=3, jpeg=True)
    one = CombineConfig((Path("r"),), tmp_path, "distill", validation=(Path("v"),), distillation=student)
    one = replace(one, out=Path(os.fsdecode(b"caf\xe9")))  # a name that is not in UTF-8
    saved.write(tmp_path / "combine.json", one)
    assert saved.matches(tmp_path / "combine.json", one, ())
    again = parsed("ensemble_pipeline", "combine", "--config", tmp_path / "combine.json", "--out", "other")
    assert again == replace(one, out=Path("other"))

    features = parsed(
        "feature_pipeline", "", "--part", "0", "a", "--out", tmp_path, "--images", "3", "--metadata", "x.csv"
    )
    saved.write(tmp_path / "features.json", features)
    assert parsed("feature_pipeline", "", "--config", tmp_path / "features.json") == features


def test_several_values_may_be_left_out() -> None:
    assert parsed("benchmarks", "").stages == STAGES
    assert parsed("benchmarks", "", "files", "worker").stages == ("files", "worker")


def parsed(module: str, name: str, *arguments: object) -> Any:
    """The config that a command makes of its arguments."""
    (command,) = (one for one in import_module(f"{module}.__main__").COMMANDS if one.name == name)
    return command.parse([str(word) for word in arguments])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no options"),
        pytest.param(" " * (1 << 20) + "{}", "is not JSON of at most 1,048,576 bytes", id="too long"),
        ('{"steps": "many", "out": "x"}', "--shards is neither given nor saved"),
        ('{"shards": "x"}', "--shards cannot be 'x'"),
        ('{"shards": ["x"], "out": "y", "validation": ["v"], "steps": "many"}', "--steps cannot be 'many'"),
    ],
)
def test_a_saved_config_that_cannot_be_used_is_one_sentence(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(OptionError, match=sentence):
        parsed("training_pipeline", "", "--config", tmp_path / "run.json")


def test_help_loads_nothing_heavy() -> None:
    """It takes a fifth of the time that it took when NumPy and Pillow were loaded for it."""
    heavy = ["numpy", "PIL", "pyvips", "pydantic", "openvino", "ncnn", "tqdm"]
    program = f"""
import sys
from upscaler.__main__ import main
try:
    main(["--help"])
except SystemExit:
    print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "boto3.py").write_text("raise ModuleNotFoundError('No module named boto3', name='boto3')")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from upscaler.__main__ import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, "features", "--part", "0", "--out", str(tmp_path / "shards")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: boto3 is missing; install it with pip install 'double-resolution[training]'\n"


def test_an_option_applies_with_any_of_the_others_that_it_needs() -> None:
    @dataclass(frozen=True)
    class Inner:
        deep: int = option("", default=1)

    @dataclass(frozen=True)
    class Config:
        how: str = option("", default="a")
        fast: bool = option("", default=False)
        extra: int = option("", default=0, needs={"how": "b", "fast": True})
        nested: Inner = part(needs={"how": "b"}, default_factory=Inner)

        def __post_init__(self) -> None:
            check_limits(self)

    Config("b", extra=3, nested=Inner(2))
    Config(fast=True, extra=3)
    Config(nested=Inner(1))
    with pytest.raises(OptionError, match=r"^--extra applies only with --how b or --fast; leave it out$"):
        Config("a", extra=3)
    with pytest.raises(OptionError, match=r"^--deep applies only with --how b; leave it out$"):
        Config(fast=True, nested=Inner(2))
