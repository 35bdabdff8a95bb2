"""The built wheel, in an empty environment without torch and an empty folder."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from support import environments
from support.pictures import photo_like

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_contains_the_model_and_upscales_a_picture(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--quiet")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    python = environments.create(tmp_path / "venv", environments.required("double-resolution"))
    run(*pip, "--python", python, "install", "--no-compile", "--no-deps", wheel, cwd=tmp_path)
    folder = tmp_path / "empty"
    folder.mkdir()
    Image.fromarray(photo_like(90, 130)).save(folder / "photo.jpg")

    run(python, "-m", "upscaler", "photo.jpg", "-o", "photo_2x.png", cwd=folder)
    run(python.with_name("double-resolution"), "photo.jpg", cwd=folder)

    for name in ("photo_2x.png", "photo_2x.jpg"):
        with Image.open(folder / name) as doubled:
            assert doubled.size == (260, 180)
    has_torch = "import importlib.util as u; print(u.find_spec('torch'))"
    assert run(python, "-c", has_torch, cwd=folder).strip() == "None"
