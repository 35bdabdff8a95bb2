"""The Makefile: its answers where something is missing, and the hooks that run what it runs."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def make(target: str, python: Path | str, folder: Path) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "Makefile", folder)
    shutil.copy(ROOT / "pyproject.toml", folder)
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    # If the tests run under make, its variables would reach the tested one
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", target, f"PYTHON={python}"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def fake_python(folder: Path, fails_on: str) -> Path:
    """An interpreter that fails when its program mentions a given word."""
    path = folder / "fake_python"
    path.write_text(f'#!/bin/sh\ncase "$2" in *{fails_on}*) exit 1;; esac\n')
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("fails_on", "advice"),
    [("version_info", "install Python 3.11 or newer"), ("ensurepip", "apt install python3-venv")],
)
def test_a_missing_prerequisite_gets_one_sentence(tmp_path: Path, fails_on: str, advice: str) -> None:
    result = make("run", fake_python(tmp_path, fails_on), tmp_path)
    assert result.returncode != 0
    sentences = [line for line in result.stderr.splitlines() if not line.startswith("make:")]
    assert len(sentences) == 1
    assert advice in sentences[0]


def test_a_missing_python_gets_one_sentence(tmp_path: Path) -> None:
    result = make("run", tmp_path / "no_such_python", tmp_path)
    assert result.returncode != 0
    assert "Python is missing: install Python 3.11 or newer" in result.stderr


def test_help_lists_the_targets(tmp_path: Path) -> None:
    listed = make("help", "python3", tmp_path).stdout
    assert all(
        f"make {target}" in listed for target in ("run", "monitor", "test", "check", "bench", "lock", "audit", "sbom")
    )


def test_the_hooks_before_a_commit_are_those_of_check() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repository["repo"] for repository in hooks] == ["local"]  # no other: it would be downloaded
    listed = [hook["entry"] for hook in hooks[0]["hooks"]]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    check = makefile.split("\ncheck:")[1].split("\n\n")[0].replace("$(BIN)", ".venv/bin")
    assert listed == [line.strip() for line in check.splitlines()[1:]]


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., list[str]]:
    """Run the recipe in a folder whose Python prints its arguments and cuts empty shards; return the lines printed."""
    python = tmp_path / ".venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(
        '#!/bin/sh\nshift 2\necho "$@"\ncase "$*" in *validation*) part=validation;; *) part=train_0;; esac\n'
        "mkdir -p shards/$part\ntouch shards/$part/manifest.json\n"
    )
    python.chmod(0o755)

    def run(*arguments: str) -> list[str]:
        command = ["make", "-s", "-f", str(ROOT / "recipes/shipped_models.mk"), "PARTS=0", *arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    return run


def test_a_larger_number_of_pictures_extends_finished_parts(recipe: Callable[..., list[str]]) -> None:
    def cut(images: str) -> list[str]:
        lines = recipe(f"IMAGES_PER_PART={images}", "shards/train_0/manifest.json", "shards/validation/manifest.json")
        return [line.partition(" --part")[0] for line in lines if line.startswith("--out")]

    assert cut("5") == ["--out shards --images 5"] * 2
    assert cut("5") == []
    assert cut("9") == ["--out shards --images 9"] * 2
    assert cut("9") == []
    assert cut("") == ["--out shards"] * 2


def test_all_stages_take_steps_of_the_wished_size(recipe: Callable[..., list[str]]) -> None:
    stages = [line for line in recipe("BATCH=8", "CROP=24", "EVALUATE_EVERY=7") if " --steps " in line]
    assert len(stages) == 8  # of either size: two networks, and each in int8
    assert all(" --batch 8 --crop 24 --evaluate-every 7 " in stage for stage in stages)
    assert not any("--evaluate-every" in line for line in recipe())


@pytest.mark.parametrize(("made", "run"), [("runs/best", ""), ("ensembles/fast_clean", "distillation-0")])
@pytest.mark.parametrize(("start", "found"), [("", []), ("recipes/in_progress", ["step-00000010.pt"])])
def test_a_kept_checkpoint_is_continued_only_if_wished(
    recipe: Callable[..., list[str]], tmp_path: Path, made: str, run: str, start: str, found: list[str]
) -> None:
    checkpoints = tmp_path / made / run / "checkpoints"
    checkpoints.mkdir(parents=True)
    for step in (5, 10):
        (checkpoints / f"step-{step:08}.pt").touch()
    recipe("keep")
    shutil.rmtree(tmp_path / made)
    recipe(f"{made}/config.json", f"START={start}")
    assert [path.name for path in checkpoints.glob("*")] == found
