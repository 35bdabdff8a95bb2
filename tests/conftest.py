"""Fixtures that tests of several stages use."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import chain, groupby, zip_longest
from operator import attrgetter
from pathlib import Path

import pytest
from huggingface_hub import constants
from hypothesis import settings
from playwright.sync_api import Browser

from support.browser import browser
from support.hub import TOKEN, Hub, running_hub
from support.models import write_tiny_model
from support.nasa import Nasa, serving
from upscaler.engines.choice import choose
from upscaler.model import find

# Several test files run at a time: threads that wait for each other by spinning take ten times as long as one each.
# Read by OpenMP when it is loaded, so set before torch is imported; processes that tests start inherit it.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

_WAITING = ("apps_", "cluster")  # beginnings of folders: pages, deadlines and other processes take their time

# No test fails because another took the processor meanwhile.
settings.register_profile("without_deadline", deadline=None)
settings.load_profile("without_deadline")


def pytest_configure(config: pytest.Config) -> None:
    """Give the session an empty user's cache, in which the instruction sets alone choose the bundled models' precision.

    Workers of pytest-xdist, and all processes that tests start, inherit it: they measure little and agree.
    """
    if not hasattr(config, "workerinput"):
        os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="tests_cache_")
        for name in find.BUNDLED:
            choose(find.model(name), measure=lambda _, among, gpu: [1.0] * len(among))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the session's cache."""
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["XDG_CACHE_HOME"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files whose tests wait alternate with files whose tests compute, so that no core is ever idle.

    The clusters' come first, because they take longest; short files of tests that compute remain for the end.
    """
    waiting: list[list[pytest.Item]] = []
    computing: list[list[pytest.Item]] = []
    for path, tests in groupby(items, key=attrgetter("path")):
        (waiting if path.parent.name.startswith(_WAITING) else computing).append(list(tests))
    none: list[pytest.Item] = []
    mixed = chain.from_iterable(zip_longest(reversed(waiting), computing, fillvalue=none))
    items[:] = chain.from_iterable(mixed)


def pytest_collection_finish() -> None:
    """Spare every full collection of garbage the modules that the tests have imported."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """The folder of a model with one network of 4 channels and random weights."""
    return write_tiny_model(tmp_path / "tiny_model")


@pytest.fixture
def two_models(tmp_path: Path) -> Path:
    """The folder of a model of 4 channels with another one, for JPEGs, in it."""
    jpeg_model = write_tiny_model(tmp_path / "jpeg_model", seed=1)
    return write_tiny_model(tmp_path / "two_models", jpeg_model=jpeg_model)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub that this process's client uses, with a cache of its own and ada's token.

    The client reads its environment when it is imported, so its constants are set as they would have been.
    """
    with running_hub() as server:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, server.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hub_token"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
        yield server


@pytest.fixture
def nasa() -> Nasa:
    """Content of the local server, empty at first."""
    return Nasa()


@pytest.fixture
def interface(nasa: Nasa) -> Iterator[str]:
    """Address of the local server's API."""
    with serving(nasa) as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless browser for all tests of pages: playwright permits one at a time in a process."""
    with browser() as started:
        yield started
