"""Decoders: untrusted pictures are opened by listed readers only, and no reader starts a program."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import hostile_pictures as hostile

ROOT = Path(__file__).parents[2]
SERVING = ("upscaler", "apps", "feature_pipeline/pictures.py")
OPENERS = {"upscaler/pictures/opening.py": "Image.open", "upscaler/pictures/vips.py": "pyvips"}

# Reports each reader's result for a file; starting any program fails the test
_READ = """
import sys, warnings
from pathlib import Path

def forbid(event, arguments):
    if event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"):
        print("STARTED", event, arguments[0]); sys.stdout.flush()

path = Path(sys.argv[1])
from apps.monitor import pictures
from apps.serving.viewer import opening
from feature_pipeline.pictures import UnusableError, decode
from upscaler import Limits, PictureError
from upscaler.pictures import reading
from apps.monitor.errors import ApodError
from upscaler.pictures.reading import read_rgb8
from upscaler.pictures.vips import pyvips
sys.addaudithook(forbid)
for read in (
    lambda: reading.read_header(path),
    lambda: opening.opened(path),
    lambda: pictures.checked_suffix(path, Limits()),
    lambda: read_rgb8(path),
    lambda: decode(path.read_bytes()),
    lambda: pyvips.Image.new_from_file(str(path)),
    lambda: pyvips.Image.new_from_buffer(path.read_bytes(), ""),
):
    try:
        read()
        print("READ")
    except (PictureError, ApodError, UnusableError, pyvips.Error) as error:
        print("refused:", str(error).replace("\\n", " "))
"""


@pytest.mark.slow
@pytest.mark.parametrize("write", [hostile.eps, hostile.svg, hostile.csv])
@pytest.mark.parametrize("name", ["photo.jpg", "photo.tif"])
def test_disguised_files_are_refused_and_start_no_program(
    write: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(tmp_path / name)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 7
    assert all(line.startswith("refused: ") for line in lines), lines


def openers(tree: ast.Module) -> Iterator[str]:
    """Yield the names by which a module opens pictures itself."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names) if any(alias.name.split(".")[0] == "pyvips" for alias in names):
                yield "pyvips"
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] == "pyvips":
                yield "pyvips"
            case ast.Attribute(value=ast.Name(id="Image"), attr="open"):
                yield "Image.open"


def test_pictures_are_opened_in_one_module() -> None:
    paths = [path for place in SERVING for path in ([ROOT / place] if ".py" in place else (ROOT / place).rglob("*.py"))]
    found = {
        str(path.relative_to(ROOT)): name
        for path in paths
        for name in openers(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == OPENERS
