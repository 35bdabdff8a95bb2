"""The notebooks: execution on a tiny bucket, and rules for their content."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image
from safetensors.numpy import load_file

from support.open_images import open_images

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
KEEP = "double-resolution"  # the folder that the notebooks suggest


def read(path: Path) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def code(notebook: NotebookNode) -> Iterator[str]:
    """Yield the code cells, without IPython magics."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            yield re.sub(r"^(\s*)%.*$", r"\1pass", cell.source, flags=re.MULTILINE)


def repository() -> str:
    """Return the address of the project's repository."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestInTheRepository:
    def test_outputs_are_stripped(self, path: Path) -> None:
        cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
        assert [cell for cell in cells if cell.outputs or cell.execution_count is not None] == []

    def test_nothing_is_defined(self, path: Path) -> None:
        defining = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        nodes = [node for cell in code(read(path)) for node in ast.walk(ast.parse(cell))]
        assert [node for node in nodes if isinstance(node, defining)] == []

    def test_the_badge_and_the_installation_lead_to_the_repository(self, path: Path) -> None:
        first, second = read(path).cells[:2]
        name = repository().removeprefix("https://github.com/")
        assert f"https://colab.research.google.com/github/{name}/blob/main/notebooks/{path.name}" in first.source
        assert f'source = "git+{repository()}"' in second.source

    def test_each_has_a_form(self, path: Path) -> None:
        fields = {
            match[1] for cell in code(read(path)) for match in re.finditer(r"^(\w+) = .*# @param", cell, re.MULTILINE)
        }
        assert fields >= {"source", "folder", "use_drive"}
        assert fields & {"part", "parts", "photo"}


def test_the_docs_show_them_as_they_are() -> None:
    page = (ROOT / "docs" / "notebooks.md").read_text(encoding="utf-8")
    cells = [cell.source for path in NOTEBOOKS for cell in read(path).cells]
    assert [cell for cell in cells if cell not in page] == [], "render them anew: python docs/render_notebooks.py"


def execute(name: str, folder: Path) -> NotebookNode:
    """Run a notebook in a folder."""
    notebook = read(ROOT / "notebooks" / f"{name}.ipynb")
    client = NotebookClient(notebook, timeout=800, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.execute()
    return notebook


def pictures(notebook: NotebookNode) -> int:
    """Count the images in the output."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return sum("image/png" in output.get("data", {}) for output in outputs)


def printed(notebook: NotebookNode) -> str:
    """Return the printed output."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def command(*words: str, folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Set up an empty folder, the tiny bucket as S3, and an empty home."""
    with open_images(("train_0", "validation", "test")) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
        monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        yield tmp_path


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_photo_is_doubled_as_by_the_command_line(machine: Path) -> None:
    notebook = execute("00_double_a_photo", machine)
    command("upscaler", str(ROOT / "apps/ui/samples/butterfly.jpg"), "-o", "same.jpg", folder=machine)
    assert (machine / KEEP / "butterfly_2x.jpg").read_bytes() == (machine / "same.jpg").read_bytes()
    assert pictures(notebook) == 1
    decibels = {name: float(psnr) for name, psnr in re.findall(r"^(\w+): ([\d.]+) dB", printed(notebook), re.MULTILINE)}
    assert decibels["model"] > decibels["bicubic"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_pipeline_gives_what_the_command_line_gives(machine: Path) -> None:
    ours, theirs = machine / KEEP, machine / "by_command"
    shown = [pictures(execute(name, machine)) for name in ("01_features", "02_training", "03_ensemble")]
    assert shown == [1, 2, 2]

    parts = ["--part", "0", "--part", "validation", "--part", "test"]
    command("feature_pipeline", *parts, "--images", "200", "--out", "by_command/shards", folder=machine)
    for part in ("train_0", "validation", "test"):
        tars = [folder / "shards" / part / f"{part}-00000.tar" for folder in (ours, theirs)]
        assert tars[0].read_bytes() == tars[1].read_bytes()

    data = ["--shards", "by_command/shards/train_0", "--validation", "by_command/shards/validation"]
    budget = ["--size", "tiny", "--steps", "20"]
    command("training_pipeline", *data, *budget, "--out", "by_command/runs/tiny-20/0", folder=machine)
    assert same_weights(ours / "runs/tiny-20/0", theirs / "runs/tiny-20/0")

    run = "by_command/runs/tiny-20/0"
    command("ensemble_pipeline", "combine", run, "--out", "by_command/ensembles/mine", folder=machine)
    assert same_weights(ours / "ensembles/mine", theirs / "ensembles/mine")
    assert "self-ensemble" in (ours / "ensembles/mine/README.md").read_text(encoding="utf-8")
    with Image.open(ours / "ducks_2x.jpg") as doubled:
        assert doubled.size == (1536, 1024)

    few = [path for path in ours.rglob("*") if path.is_file()]
    assert len(few) < 40, "state on Drive is to be few files"


def same_weights(*models: Path) -> bool:
    """Return True if the models have the same arrays, bit by bit."""
    first, second = (load_file(model / "model.safetensors") for model in models)
    return first.keys() == second.keys() and all((first[key] == second[key]).all() for key in first)
