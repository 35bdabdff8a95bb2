"""A staged Space, started by its Dockerfile's command in an isolated environment with a read-only home."""

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
import requests
from gradio_client import Client, handle_file
from packaging.utils import canonicalize_name
from PIL import Image
from playwright.sync_api import Browser, expect

from apps import push
from apps.push import SpaceConfig
from support import environments
from support.pictures import photo_like
from support.processes import free_port, wait_until_it_serves
from upscaler.model import find

# root may write to read-only folders unless it drops this capability
AS_ANYBODY = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.geteuid() == 0 else []
CORES = 2


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder outside the project."""
    folder = Path(tempfile.mkdtemp(prefix="host_"))
    yield folder
    (folder / "home").chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def space(place: Path) -> Iterator[str]:
    """Address of the web UI, staged, installed and started as a Space."""
    staged = place / "app"
    staged.mkdir()
    push.stage(SpaceConfig("ui", "ada/doubler"), staged)
    versions = environments.locked(staged / "requirements" / "serving.txt")
    assert versions == {name: version(name) for name in versions}
    python = environments.create(place / "venv", versions)
    with started(python.parent, staged, place) as address:
        yield address


def instructions(staged: Path, word: str) -> list[str]:
    """Return the arguments of a Dockerfile's `word` instructions."""
    lines = (staged / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return [line.removeprefix(f"{word} ") for line in lines if line.startswith(f"{word} ")]


@contextmanager
def started(bin_folder: Path, staged: Path, place: Path) -> Iterator[str]:
    """Run the Dockerfile's command with the environment that the engine sets."""
    for name, mode in {"home": 0o555, "temporary": 0o755}.items():
        (place / name).mkdir()
        (place / name).chmod(mode)
    port = free_port()
    environment = {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "temporary"),
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
    }
    (command,) = instructions(staged, "CMD")
    app = subprocess.Popen([*AS_ANYBODY, *json.loads(command)], cwd=staged, env=environment)
    os.sched_setaffinity(app.pid, sorted(os.sched_getaffinity(0))[:CORES])
    try:
        wait_until_it_serves(app, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        app.kill()  # otherwise it waits for the client, which keeps listening
        app.wait()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_api_upscales_with_the_staged_model(space: str, tmp_path: Path) -> None:
    health = requests.get(f"{space}/health", timeout=10).json()
    assert (health["model"], health["status"]) == ("fast", "ok")
    assert health["revision"] == find.model("fast").revision
    Image.fromarray(photo_like(31, 47)).save(tmp_path / "photo.png")
    doubled = Client(space, verbose=False).predict(handle_file(tmp_path / "photo.png"), api_name="/double")
    with Image.open(doubled) as image:
        assert image.size == (94, 62)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_sample_is_upscaled_in_a_browser(space: str, chromium: Browser) -> None:
    with chromium.new_page() as page:
        page.goto(space)
        page.locator("[data-sample]").first.click()
        link = page.locator("#download")
        expect(link).to_be_visible()
        with page.expect_download() as download:
            link.click()
        with Image.open(download.value.path()) as image:
            assert image.size == (1536, 1024)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_only_the_temporary_folder_is_written_to(space: str, place: Path) -> None:
    assert list((place / "home").iterdir()) == []
    assert list((place / "temporary").iterdir()) != []


@pytest.mark.slow
@pytest.mark.parametrize("app", ["ui", "monitor"])
def test_all_imports_of_a_staged_app_are_locked(app: str, tmp_path: Path) -> None:
    push.stage(SpaceConfig(app, "ada/doubler"), tmp_path)
    locked = set(environments.locked(*(tmp_path / lock for lock in push.LOCKS)))
    distributions = packages_distributions()
    imported = {name for path in tmp_path.rglob("*.py") for name in imports(path)} - {"apps", "upscaler"}
    assert "numpy" in imported
    missing = {name for name in imported if not locked & set(map(canonicalize_name, distributions[name]))}
    assert missing <= {"onnx"}  # only used to write models


def imports(path: Path) -> set[str]:
    """Return the top-level names of imported modules, without the standard library and its stubs."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"_typeshed"}
