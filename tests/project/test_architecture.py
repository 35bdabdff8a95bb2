"""Direction of imports, absence of circles, and modules that serving must not load."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MAY_IMPORT = {
    "upscaler": set(),
    "cluster": {"upscaler"},
    "feature_pipeline": {"upscaler", "cluster"},
    "training_pipeline": {"upscaler", "cluster", "feature_pipeline"},
    "ensemble_pipeline": {"upscaler", "cluster", "feature_pipeline", "training_pipeline"},
    "batch_pipeline": {"upscaler", "cluster", "apps/serving"},
    "apps": {"upscaler", "apps/ui", "apps/monitor", "apps/serving"},
    "apps/ui": {"upscaler", "apps/serving"},
    "apps/monitor": {"upscaler", "apps/serving"},
    "apps/serving": {"upscaler"},
}
PACKAGES = {Path(folder).parts[0] for folder in MAY_IMPORT}


@cache
def imports(source: str, package: str) -> set[str]:
    """Return the full names of modules imported by a file of `package`, with relative imports resolved."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def foreign_imports(folder: str) -> set[str]:
    """Return the project folders, of those in `MAY_IMPORT`, that the package in `folder` imports."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        package = ".".join(path.parent.relative_to(ROOT).parts)
        for name in imports(path.read_text(encoding="utf-8"), package):
            parts = name.split(".")
            if parts[0] in PACKAGES:
                found.add("/".join(parts[:2]) if parts[0] == "apps" else parts[0])
    return found - {folder}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_follow_the_design(folder: str) -> None:
    assert foreign_imports(folder) <= MAY_IMPORT[folder]


def modules() -> dict[str, Path]:
    """Return the project's modules by full name; a package is represented by its __init__.py."""
    found = {}
    for package in sorted(PACKAGES):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def needs(name: str, path: Path, known: Iterable[str]) -> set[str]:
    """Return the project's modules that a module imports, at top level or inside functions."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = imports(path.read_text(encoding="utf-8"), package)
    return {imported if imported in known else imported.rpartition(".")[0] for imported in found} & set(known)


def test_there_are_no_circular_imports() -> None:
    known = modules()
    order = TopologicalSorter({name: needs(name, path, known) for name, path in known.items()})
    order.prepare()  # raises CycleError, which names the cycle
    assert "upscaler.model.artifact" in needs("upscaler.upscaler", known["upscaler.upscaler"], known)


def test_a_forbidden_import_is_found() -> None:
    assert "training_pipeline.network" in imports("from training_pipeline import network", "apps.ui")
    assert "apps.monitor.history" in imports("from ..monitor import history", "apps.ui")
    assert "upscaler" in imports("def f():\n    import upscaler", "apps.ui")


@pytest.mark.slow
@pytest.mark.parametrize(
    "module", ["upscaler.__main__", "apps.ui.__main__", "apps.monitor.__main__", "apps.monitor.app", "apps.ui.app"]
)
def test_serving_loads_no_training_dependency(module: str) -> None:
    heavy = ["torch", "torchvision", "onnx", "boto3", "matplotlib", "webdataset", "optuna"]
    program = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def importing(library: str, *folders: str) -> list[str]:
    """Return the names of the files in some folders that import a library."""
    return [
        path.name
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if any(name.partition(".")[0] == library for name in imports(path.read_text(encoding="utf-8"), folder))
    ]


@pytest.mark.slow
def test_gradio_is_imported_in_one_place_and_makes_no_stubs() -> None:
    assert importing("gradio", *PACKAGES, "benchmarks", "tests") == ["gradio_api.py"]
    program = "import ast; ast.get_source_segment = None; import apps.serving.gradio_api"  # stubs need the sources
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
    plain = program.replace("apps.serving.gradio_api", "gradio")
    assert subprocess.run([sys.executable, "-c", plain], capture_output=True, check=False).returncode, "Gradio stopped"


def test_openvino_is_imported_in_one_place_without_its_telemetry() -> None:
    assert importing("openvino", *PACKAGES, "benchmarks", "tests") == ["openvino_api.py"]
    program = "import sys, upscaler.engines.openvino_engine; print([one for one in sys.modules if 'telemetry' in one])"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_pillow_loads_no_reader_of_another_format(tmp_path: Path) -> None:
    program = """
import sys, pathlib
from upscaler.pictures.formats import BY_SUFFIX
from upscaler.pictures.opening import open_picture
from PIL import Image
Image.new("RGB", (8, 8)).save("a.png")
with open_picture(pathlib.Path("a.png")) as image:
    assert {format.name for format in BY_SUFFIX.values()} <= Image.OPEN.keys()
print([name for name in sys.modules if name.startswith(("PIL.Eps", "PIL.Pdf", "PIL.Psd", "PIL.Wmf"))])
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == "[]"
