"""Backfill of the history."""

import datetime as dt
from pathlib import Path

import pytest

from apps.monitor.apod import FIRST_DAY, Client
from apps.monitor.backfill import backfill, first_day
from apps.monitor.fetch import Fetcher, UnavailableError
from apps.monitor.history import History, from_csv
from apps.monitor.hub_history import HubHistory
from apps.monitor.recording import Recorder
from apps.serving.worker import Worker
from support.clock import Clock
from support.hub import Hub
from support.nasa import Nasa
from upscaler.model.artifact import Artifact

TODAY = dt.date(2026, 11, 23)


def day(ago: int) -> str:
    return str(TODAY - dt.timedelta(ago))


@pytest.fixture
def client(interface: str, clock: Clock) -> Client:
    return Client(interface, Fetcher(interface, sleep=clock.sleep, now=clock.now))


@pytest.fixture
def recorder(worker: Worker, model: Artifact, history: History) -> Recorder:
    return Recorder(worker, model, history, None)


@pytest.mark.slow
def test_backfill_spans_several_lists(client: Client, recorder: Recorder, nasa: Nasa) -> None:
    for ago in range(32):
        nasa.add(day(ago))
    lines = list(backfill(client, recorder, 30, TODAY))
    assert len(lines) == 30
    assert [row.day for row in recorder.history.rows()] == [day(ago) for ago in range(29, -1, -1)]


def test_every_day_of_a_year_is_asked_for_once(client: Client, nasa: Nasa) -> None:
    for ago in range(368):
        nasa.add(day(ago))
    before = [entry.date for entry in client.before(TODAY)]
    after = [entry.date for entry in client.after(TODAY - dt.timedelta(366), TODAY - dt.timedelta(1))]
    assert before == [TODAY - dt.timedelta(ago) for ago in range(1, 366)]
    assert after == before[::-1]
    assert len(nasa.requests) == 2 * 15
    assert list(client.before(FIRST_DAY)) == list(client.after(TODAY, TODAY)) == []


@pytest.mark.parametrize("days", [20_000, 800_000, 99_999_999_999])
def test_backfill_begins_with_the_first_picture_of_all(days: int) -> None:
    assert first_day(days, TODAY) == FIRST_DAY


def test_backfill_resumes_after_an_outage(client: Client, recorder: Recorder, nasa: Nasa, clock: Clock) -> None:
    for ago in range(4):
        nasa.add(day(ago))
    lines = backfill(client, recorder, 4, TODAY)
    next(lines)
    next(lines)
    nasa.failing = 503
    with pytest.raises(UnavailableError):
        list(lines)
    assert len(recorder.history.rows()) == 2
    nasa.failing = None
    clock.sleep(3700)
    before = nasa.pictures_asked_for()
    assert len(list(backfill(client, recorder, 4, TODAY))) == 2
    assert nasa.pictures_asked_for() - before == 2
    assert len(recorder.history.rows()) == 4


def test_days_without_a_picture_are_skipped_with_the_reason(client: Client, recorder: Recorder, nasa: Nasa) -> None:
    nasa.add_video(day(0))
    nasa.add(day(1), file=b"<html>not found</html>")
    nasa.add(day(2))
    video, broken, good = backfill(client, recorder, 3, TODAY)
    assert "skipped: it is a video" in video
    assert "has a file that is not a readable picture" in broken
    assert "dB over bicubic" in good
    assert [row.day for row in recorder.history.rows()] == [day(2)]


def test_backfill_keeps_no_pictures(
    client: Client, recorder: Recorder, nasa: Nasa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    nasa.add(day(0))
    assert len(list(backfill(client, recorder, 1, TODAY))) == 1
    assert list(scratch.iterdir()) == []


def test_a_backfill_measures_what_the_copy_on_the_hub_lacks_and_completes_it(
    client: Client, recorder: Recorder, worker: Worker, model: Artifact, nasa: Nasa, hub: Hub, tmp_path: Path
) -> None:
    for ago in range(2):
        nasa.add(day(ago))
    list(backfill(client, recorder, 1, TODAY))
    HubHistory("ada/history").exchange(recorder.history)
    elsewhere = Recorder(worker, model, History(tmp_path / "new disk"), HubHistory("ada/history"))
    assert [line[:10] for line in backfill(client, elsewhere, 2, TODAY)] == [day(1)]
    copied = from_csv(hub.repositories["datasets/ada/history"].files()["history.csv"].decode())
    assert copied == elsewhere.history.rows()
    assert [row.day for row in copied] == [day(1), day(0)]
