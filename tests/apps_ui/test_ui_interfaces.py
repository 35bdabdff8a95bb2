"""The docs page on interfaces, executed: its Python, and its three requests with curl."""

import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from support.pictures import photo_like

PAGE = Path(__file__).parents[2] / "docs" / "interfaces.md"
ADDRESS = "http://127.0.0.1:7860"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Working folder of the examples, with a photo."""
    Image.fromarray(photo_like(31, 47)).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
def test_the_python_runs(folder: Path, ui: str, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(block.replace(ADDRESS, ui), names)
    assert size(folder / "photo_2x.webp") == (94, 62)
    paths = [line for line in capsys.readouterr().out.splitlines() if line.endswith((".jpg", ".png"))]
    assert [size(Path(path)) for path in paths] == [(94, 62), (188, 124)]


@pytest.mark.slow
def test_the_curl_requests_return_the_upscaled_picture(folder: Path, ui: str) -> None:
    (script,) = blocks("sh")
    subprocess.run(["bash", "-euo", "pipefail", "-c", script.replace(ADDRESS, ui)], check=True)
    with Image.open(folder / "photo_2x.png") as doubled:
        assert (doubled.size, doubled.format) == ((94, 62), "PNG")
