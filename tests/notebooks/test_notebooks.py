"""The notebooks: execution on a tiny bucket, and rules for their content."""

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image
from safetensors.numpy import load_file

from support.notebooks import SHORT, shortened
from support.open_images import open_images
from upscaler.__main__ import main
from upscaler.model import artifact

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
    """Run a notebook in a folder, its training shortened."""
    notebook = shortened(read(ROOT / "notebooks" / f"{name}.ipynb"))
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


def command(*words: str) -> None:
    """Run the command line, in this process, because torch takes seconds to load."""
    try:
        main(words)
    except SystemExit as ended:
        assert not ended.code


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Set up an empty folder, the tiny bucket as S3, and an empty home."""
    with open_images(("train_0", "train_1", "validation", "test")) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", address)
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
        monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        monkeypatch.chdir(tmp_path)
        yield tmp_path


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_photo_is_doubled_as_by_the_command_line(machine: Path) -> None:
    notebook = execute("00_double_a_photo", machine)
    command(str(ROOT / "apps/ui/samples/butterfly.jpg"), "-o", "same.jpg")
    assert (machine / KEEP / "butterfly_2x.jpg").read_bytes() == (machine / "same.jpg").read_bytes()
    assert pictures(notebook) == 1
    decibels = {name: float(psnr) for name, psnr in re.findall(r"^(\w+): ([\d.]+) dB", printed(notebook), re.MULTILINE)}
    assert decibels["model"] > decibels["bicubic"]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_pipeline_gives_what_the_command_line_gives_and_beats_bicubic(machine: Path) -> None:
    notebook = execute("01_your_own_model", machine)
    ours, run = machine / KEEP, f"{SHORT['size']}-{SHORT['steps']}"
    assert pictures(notebook) == 4
    assert "WARNING: no GPU" in printed(notebook) or torch.cuda.is_available()
    assert "model.onnx" in printed(notebook)  # what would be published

    command("features", "--part", "0", "1", "validation", "test", "--images", "200", "--out", "shards")
    for part in ("train_0", "train_1", "validation", "test"):
        tars = [folder / "shards" / part / f"{part}-00000.tar" for folder in (ours, machine)]
        assert tars[0].read_bytes() == tars[1].read_bytes()

    data = ["--shards", "shards/train_1", "--validation", "shards/validation"]
    command("train", *data, "--size", str(SHORT["size"]), "--steps", str(SHORT["steps"]), "--out", "runs/1")
    assert same_weights(ours / "runs" / run / "1", machine / "runs/1")

    model = artifact.read(ours / "ensembles/mine")
    assert model.config.networks == 2
    (tested,) = model.metrics["tests"].values()
    decibels = {row["name"]: row["score"]["psnr_y"] for row in tested["rows"]}
    assert decibels[tested["model"]] > decibels["bicubic"] + 0.1
    with Image.open(ours / "ducks_2x.jpg") as doubled:
        assert doubled.size == (1536, 1024)

    few = [path for path in ours.rglob("*") if path.is_file()]
    assert len(few) < 60, "state on Drive is to be few files"


def same_weights(*models: Path) -> bool:
    """Return True if the models have the same arrays, bit by bit."""
    first, second = (load_file(model / "model.safetensors") for model in models)
    return first.keys() == second.keys() and all((first[key] == second[key]).all() for key in first)
