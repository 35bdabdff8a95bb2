"""Fixtures that tests of several stages use."""

from pathlib import Path

import pytest
from generated import write_tiny_model


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """The folder of a model with one network of 4 channels and random weights."""
    return write_tiny_model(tmp_path / "tiny_model")
