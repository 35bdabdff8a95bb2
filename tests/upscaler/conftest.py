"""Fixture of the upscaler's tests: a compiled tiny model with windows so small that pictures need several."""

import pytest

from support.models import write_tiny_model
from upscaler import Upscaler
from upscaler.model import find

WINDOW = 24


@pytest.fixture(scope="session")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Upscaler:
    """A model with random weights and windows of 24x24."""
    folder = write_tiny_model(tmp_path_factory.mktemp("models") / "tiny", int8=True)
    return Upscaler(find.model(str(folder)), "f32", WINDOW)
