"""The built wheel, in an empty environment without torch and an empty folder."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest
from PIL import Image

from support.pictures import photo_like

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def locked_versions() -> list[str]:
    """Return the locked requirements without their hashes, which pip would ask of the wheel too."""
    lines = (ROOT / "requirements" / "everything.txt").read_text(encoding="utf-8").splitlines()
    return [line.rstrip(" \\") for line in lines if line[:1].isalnum()]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_wheel_contains_the_model_and_upscales_a_picture(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--quiet")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, ROOT, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv")
    bin_folder = tmp_path / "venv" / "bin"
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(locked_versions()), encoding="utf-8")
    run(*pip, "--python", bin_folder / "python", "install", "--no-compile", "-c", constraints, wheel, cwd=tmp_path)
    folder = tmp_path / "empty"
    folder.mkdir()
    Image.fromarray(photo_like(90, 130)).save(folder / "photo.jpg")

    run(bin_folder / "python", "-m", "upscaler", "photo.jpg", "-o", "photo_2x.png", cwd=folder)
    run(bin_folder / "double-resolution", "photo.jpg", cwd=folder)

    for name in ("photo_2x.png", "photo_2x.jpg"):
        with Image.open(folder / name) as doubled:
            assert doubled.size == (260, 180)
    has_torch = "import importlib.util as u; print(u.find_spec('torch'))"
    assert run(bin_folder / "python", "-c", has_torch, cwd=folder).strip() == "None"
