"""A monitor and what it asks: a local server that answers as NASA does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clock import Clock
from generated import write_tiny_model
from nasa_server import Nasa, serving

from apps.monitor.apod import Client
from apps.monitor.cache import Cache
from apps.monitor.fetch import Fetcher
from apps.monitor.history import History
from apps.monitor.monitor import Monitor
from apps.monitor.recording import Recorder
from upscaler import Upscaler

MOST_BYTES = 100_000_000


@pytest.fixture(scope="session")
def upscaler(tmp_path_factory: pytest.TempPathFactory) -> Upscaler:
    """A tiny model, loaded once."""
    return Upscaler.load(str(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny")))


@pytest.fixture
def nasa() -> Nasa:
    """What the server knows: nothing yet."""
    return Nasa()


@pytest.fixture
def interface(nasa: Nasa) -> Iterator[str]:
    """The address of the interface."""
    with serving(nasa) as address:
        yield address


@pytest.fixture
def clock() -> Clock:
    """The monitor's clock."""
    return Clock()


@pytest.fixture
def history(tmp_path: Path) -> History:
    """An empty history."""
    return History(tmp_path / "history.sqlite")


@pytest.fixture
def monitor(interface: str, upscaler: Upscaler, history: History, clock: Clock, tmp_path: Path) -> Monitor:
    """A monitor of the local server, at noon of 2026-11-23."""
    client = Client(interface, Fetcher(interface, sleep=clock.sleep, now=clock.now))
    cache = Cache(tmp_path / "cache", MOST_BYTES, upscaler.model.revision)
    return Monitor(client, upscaler, cache, Recorder(upscaler, history, None), now=clock.now)
