"""Fixtures that tests of several stages use."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from support.browser import browser
from support.models import write_tiny_model

# Two test files run at a time: threads of both that wait for each other by spinning take ten times as long as one each.
# Read by OpenMP when it is loaded, so set before torch is imported; processes that tests start inherit it.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """The folder of a model with one network of 4 channels and random weights."""
    return write_tiny_model(tmp_path / "tiny_model")


@pytest.fixture
def two_models(tmp_path: Path) -> Path:
    """The folder of a model of 4 channels with another one, for JPEGs, in it."""
    jpeg_model = write_tiny_model(tmp_path / "jpeg_model", seed=1)
    return write_tiny_model(tmp_path / "two_models", jpeg_model=jpeg_model)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless browser for all tests of pages: playwright permits one at a time in a process."""
    with browser() as started:
        yield started
