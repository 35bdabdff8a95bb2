"""The Dockerfiles, followed without a container engine: the copied files must start and be healthy."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps import push
from support.processes import free_port

ROOT = Path(__file__).parents[2]
APPS = ["monitor", "ui"]


def instructions(app: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile and their arguments."""
    lines = (ROOT / "docker" / f"{app}.Dockerfile").read_text(encoding="utf-8").splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines) if word.isupper()]


def in_context(path: str) -> bool:
    """Return True if .dockerignore admits a file to the build context: the last matching line decides."""
    taken = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!")
        if pattern and not pattern.startswith("#") and matches(path, pattern):
            taken = line.startswith("!")
    return taken


def matches(path: str, pattern: str) -> bool:
    """Return True if Docker's pattern matches a path or one of its parent folders."""
    parts = (re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")) + "(/.*)?"
    return re.fullmatch(parts, path) is not None


@pytest.mark.parametrize("app", APPS)
def test_the_build_context_is_what_a_space_gets(app: str, tmp_path: Path) -> None:
    folder = f"apps/{app}"
    wanted = {path.as_posix() for package in (*push.SHARED, folder) for path in push.declared(package)}
    wanted |= {"apps/__init__.py", *(lock.as_posix() for lock in push.LOCKS)}
    assert {path for path in wanted if not in_context(path)} == set()
    others = [".env", "token", "notes.txt", "app.py~", ".hidden.py", "samples/private.heic", "samples/.DS_Store"]
    places = ["", f"{folder}/", "upscaler/", "upscaler/bundled/", "upscaler/bundled/fast/", "requirements/"]
    assert [place + other for place in places for other in others if in_context(place + other)] == []
    assert not any(map(in_context, (".git/config", ".venv/bin/python", "docs/scoreboard/scoreboard.json", "README.md")))


@pytest.mark.parametrize("app", APPS)
def test_base_image_and_requirements_are_pinned_by_hash(app: str) -> None:
    (base,) = (rest for word, rest in instructions(app) if word == "FROM")
    assert re.fullmatch(r"python:[\w.-]+@sha256:[0-9a-f]{64}", base)
    installs = [rest for word, rest in instructions(app) if word == "RUN" and "pip install" in rest]
    assert installs
    assert all("--require-hashes" in install for install in installs)


@pytest.mark.parametrize("app", APPS)
def test_it_serves_as_an_unprivileged_user(app: str) -> None:
    words = [word for word, _ in instructions(app)]
    assert ("USER", "app") in instructions(app)
    assert words.index("USER") < words.index("CMD")
    assert max(n for n, word in enumerate(words) if word in ("RUN", "COPY")) < words.index("USER")


@pytest.mark.slow
@pytest.mark.parametrize("app", APPS)
def test_the_copied_files_start_and_are_healthy(app: str, tmp_path: Path) -> None:
    lines = instructions(app)
    for source, target in (rest.split() for word, rest in lines if word == "COPY"):
        (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, tmp_path / target, dirs_exist_ok=True)
        else:
            shutil.copy(ROOT / source, tmp_path / target)
    (variables,) = (dict(pair.split("=") for pair in rest.split()) for word, rest in lines if word == "ENV")
    variables["GRADIO_SERVER_PORT"] = str(free_port())
    assert variables["GRADIO_SERVER_NAME"] == "0.0.0.0"
    variables |= {"GRADIO_SERVER_NAME": "127.0.0.1", "CACHE": str(tmp_path / "data"), "APOD_URL": "http://127.0.0.1:9"}
    environment = os.environ | variables | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    (command,) = (json.loads(rest) for word, rest in lines if word == "CMD")
    (check,) = (json.loads(re.sub(r"^.*CMD ", "", rest)) for word, rest in lines if word == "HEALTHCHECK")
    served = subprocess.Popen(command, cwd=tmp_path, env=environment)
    try:
        assert is_healthy(check, environment, served)
    finally:
        served.kill()
        served.wait()
    assert subprocess.run(check, env=environment, capture_output=True, check=False).returncode == 1


def is_healthy(check: list[str], environment: dict[str, str], served: subprocess.Popen[bytes]) -> bool:
    """Poll the health check, as the engine does, until it passes or the process ends."""
    for _ in range(300):
        if subprocess.run(check, env=environment, capture_output=True, check=False).returncode == 0:
            return True
        assert served.poll() is None, "the app ended before it served"
        time.sleep(0.3)
    return False
