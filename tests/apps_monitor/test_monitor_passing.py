"""A page that stays open for several days."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from apps.monitor import settings
from apps.monitor.app import App
from support.nasa import Nasa


@pytest.fixture
def app(interface: str, tiny_model: Path, tmp_path: Path) -> Iterator[App]:
    """An app that does not serve."""
    given = {"APOD_URL": interface, "CACHE": str(tmp_path / "cache"), "DOUBLE_RESOLUTION_MODEL": str(tiny_model)}
    with closing(App(settings.from_environment(given), tmp_path)) as made:
        yield made


def is_skipped(value: Any) -> bool:
    return isinstance(value, dict) and value == {"__type__": "update"}


def test_an_open_page_is_notified_of_a_newer_picture_once(app: App, nasa: Nasa) -> None:
    nasa.add("2026-11-22")
    *_, shown = app.visit()
    app.monitor.finish()
    day, _ = shown[-1].split()
    measured = app.poll(f"{day} 0")  # a page loaded before the day was measured
    assert is_skipped(measured[0])
    assert all(map(is_skipped, app.poll(measured[-1])))
    nasa.add("2026-11-23")
    list(app.monitor.look())
    app.monitor.finish()
    told = app.poll(measured[-1])
    assert "A newer picture is here" in told[0]
    assert all(map(is_skipped, told[1:5]))
    assert all(map(is_skipped, app.poll(told[-1])))
