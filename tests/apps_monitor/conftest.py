"""Fixtures of the monitor, with a local server in place of NASA."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.monitor.apod import Client
from apps.monitor.cache import Cache
from apps.monitor.doubling import worker_of
from apps.monitor.fetch import Fetcher
from apps.monitor.history import History
from apps.monitor.monitor import Monitor
from apps.monitor.recording import Recorder
from apps.serving.job_limits import JobLimits
from apps.serving.worker import Worker
from support.clock import Clock
from support.models import write_tiny_model
from upscaler.model import artifact
from upscaler.model.artifact import Artifact

MOST_BYTES = 100_000_000


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A tiny model."""
    return artifact.read(write_tiny_model(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="session")
def worker(model: Artifact) -> Iterator[Worker]:
    """The monitor's worker with the tiny model, started once."""
    with worker_of(model, JobLimits()) as started:
        yield started


@pytest.fixture
def clock() -> Clock:
    """Clock of the monitor."""
    return Clock()


@pytest.fixture
def history(tmp_path: Path) -> History:
    """An empty history."""
    return History(tmp_path / "history.sqlite")


@pytest.fixture
def monitor(interface: str, worker: Worker, model: Artifact, history: History, clock: Clock, tmp_path: Path) -> Monitor:
    """A monitor of the local server, at noon on 2026-11-23."""
    client = Client(interface, Fetcher(interface, sleep=clock.sleep, now=clock.now))
    cache = Cache(tmp_path / "cache", MOST_BYTES, model.revision)
    return Monitor(client, worker, model, cache, Recorder(worker, model, history, None), now=clock.now)
