"""Choice of a model's precision and windows: made by the serving process, measured in another, used by all workers."""

from pathlib import Path
from typing import Any

import pytest

from apps.serving import loading
from apps.serving.worker import Worker
from support.models import write_tiny_model
from upscaler.engines import choice, processor
from upscaler.engines.engine import candidates
from upscaler.engines.precision import Choice
from upscaler.model import artifact
from upscaler.model.artifact import Artifact


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of kept choices, of a test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "double-resolution" / "choices"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A model that has int8, on a processor without AMX: three candidates."""
    monkeypatch.setattr(processor, "has_amx", lambda: False)
    return artifact.read(write_tiny_model(tmp_path / "model", int8=True))


def test_a_worker_uses_the_choice_that_it_gets(model: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    place = loading.place_of(model, Choice("f32", 144))
    monkeypatch.setattr(choice, "candidates", lambda *_: pytest.fail("a choice was made"))
    upscaler = loading.load(**place)
    assert (upscaler.precision, upscaler.window) == ("f32", 144)


def test_another_process_measures_and_this_one_keeps_what_it_finds(
    model: Artifact, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def noted(program: str, *given: Any) -> Worker:
        started.append(program)
        return Worker(program, *given)

    monkeypatch.setattr(loading, "Worker", noted)
    first, second = loading.choose(model), loading.choose(model)
    assert first == second
    assert first in candidates(model)
    assert started == ["apps.serving.measuring"]
    assert len(list(cache.iterdir())) == 1


def test_a_measurement_that_fails_leaves_the_usual_choice(model: Artifact, cache: Path) -> None:
    (model.folder / artifact.WEIGHTS).unlink()
    assert loading.choose(model) == Choice("f32", 64)
    assert not cache.exists()
