"""The README: its length, and its commands, executed; the pipeline on a tiny bucket served over S3."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from support.open_images import open_images
from support.pictures import photo_like

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LONGEST = 900  # words: more is not read before the first command
SMALLER = {"--images 200": "--images 4", "--steps 1000": "--steps 3"}


def code_under(heading: str, language: str = "sh") -> str:
    """Return the first block of a language under a heading of the README."""
    found = re.search(rf"^## {re.escape(heading)}$.*?^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no {language} under {heading!r}"
    return found[1]


def test_it_is_short() -> None:
    assert len(README.split()) <= LONGEST


def test_its_first_commands_are_targets_of_make() -> None:
    targets = re.findall(r"^make (\w+)", code_under("Try it"), re.MULTILINE)
    assert targets == ["run", "test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_powershell_gets_the_same_three_lines() -> None:
    bash = re.findall(r"^python3 -m venv.*?(?=^```$)", README, re.MULTILINE | re.DOTALL)[0]
    windows = code_under("Try it", "powershell")
    assert windows == bash.replace("python3", "py", 1).replace(".venv/bin/python", r".venv\Scripts\python")


@pytest.mark.slow
@pytest.mark.parametrize("language", ["sh", "python"])
def test_a_photo_is_upscaled_as_it_says(language: str, tmp_path: Path) -> None:
    code = code_under("Upscale a photo", language).replace(".venv/bin/python", sys.executable)
    Image.fromarray(photo_like(61, 83)).save(tmp_path / "photo.jpg")
    command = ["bash", "-euc", code] if language == "sh" else [sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True)
    (written,) = tmp_path.glob("photo_2x.*")
    with Image.open(written) as upscaled:
        assert upscaled.size == (166, 122)


@pytest.fixture
def bucket() -> Iterator[str]:
    """Address of a tiny copy of Open Images."""
    with open_images(("train_0", "train_a", "validation")) as address:
        yield address


@pytest.mark.slow
def test_the_pipeline_in_five_commands_ends_in_an_upscaled_photo(tmp_path: Path, bucket: str) -> None:
    script = code_under("Train your own model, in five commands")
    for word, smaller in SMALLER.items():
        assert word in script
        script = script.replace(word, smaller)
    assert sum(line.startswith("python -m ") for line in script.splitlines()) == 5
    Image.fromarray(photo_like(61, 83)).save(tmp_path / "photo.jpg")
    environment = os.environ | {
        "AWS_ENDPOINT_URL_S3": bucket,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }

    done = subprocess.run(
        ["bash", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "photo_2x.png") as upscaled:
        assert upscaled.size == (166, 122)
    assert {path.name for path in (tmp_path / "ensembles/mine").iterdir()} >= {
        "config.json",
        "model.safetensors",
        "metrics.json",
        "README.md",
    }
