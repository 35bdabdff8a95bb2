"""The direction of imports that the design gives, and what serving may not load."""

import ast
import subprocess
import sys
from collections.abc import Iterable
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
    "apps": {"upscaler", "apps/ui", "apps/monitor", "apps/serving"},
    "apps/ui": {"upscaler", "apps/serving"},
    "apps/monitor": {"upscaler", "apps/serving"},
    "apps/serving": {"upscaler"},
}
PACKAGES = {Path(folder).parts[0] for folder in MAY_IMPORT}


def imports(source: str, package: str) -> set[str]:
    """Full names of the modules that a source file of `package` imports, relative ones resolved."""
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
    """What the package in `folder` imports of the project besides itself, as folders of `MAY_IMPORT`."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        package = ".".join(path.parent.relative_to(ROOT).parts)
        for name in imports(path.read_text(encoding="utf-8"), package):
            parts = name.split(".")
            if parts[0] in PACKAGES:
                found.add("/".join(parts[:2]) if parts[0] == "apps" else parts[0])
    return found - {folder}


@pytest.mark.parametrize("folder", MAY_IMPORT)
def test_imports_follow_the_direction_of_the_design(folder: str) -> None:
    assert foreign_imports(folder) <= MAY_IMPORT[folder]


def modules() -> dict[str, Path]:
    """The project's modules by their full names; a package stands for its __init__.py."""
    found = {}
    for package in sorted(PACKAGES):
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def needs(name: str, path: Path, known: Iterable[str]) -> set[str]:
    """The project's modules that a module imports, at its top or inside a function."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = imports(path.read_text(encoding="utf-8"), package)
    return {imported if imported in known else imported.rpartition(".")[0] for imported in found} & set(known)


def test_no_modules_import_each_other_in_a_circle() -> None:
    known = modules()
    order = TopologicalSorter({name: needs(name, path, known) for name, path in known.items()})
    order.prepare()  # raises CycleError, which names the circle
    assert "upscaler.model.artifact" in needs("upscaler.upscaler", known["upscaler.upscaler"], known)


def test_a_wrong_import_is_seen() -> None:
    assert "training_pipeline.network" in imports("from training_pipeline import network", "apps.ui")
    assert "apps.monitor.history" in imports("from ..monitor import history", "apps.ui")
    assert "upscaler" in imports("def f():\n    import upscaler", "apps.ui")


@pytest.mark.parametrize(
    "module", ["upscaler.__main__", "apps.ui.__main__", "apps.monitor.__main__", "apps.monitor.app", "apps.ui.app"]
)
def test_serving_loads_nothing_that_only_training_installs(module: str) -> None:
    heavy = ["torch", "torchvision", "onnx", "boto3", "matplotlib", "webdataset", "optuna"]
    program = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
