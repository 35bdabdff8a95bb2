"""Copy of the history on the Hub, with the Hub's client."""

import logging
from pathlib import Path

import pytest

from apps.monitor.history import COLUMNS, History, Row, from_csv
from apps.monitor.hub_history import HubHistory, HubHistoryError
from apps.monitor.monitor import Monitor
from apps.monitor.recording import Recorder
from apps.serving.worker import Worker
from support.hub import Hub
from support.nasa import Nasa
from upscaler.model.artifact import Artifact

REPO = "ada/monitor-history"


def row(day: str) -> Row:
    return Row.model_validate(dict.fromkeys(COLUMNS, 1) | {"day": day, "revision": "r", "model": "m", "title": "a, b",
                              "measured_at": "2026-01-01T00:00:00Z"})  # fmt: skip


def history_with(path: Path, *days: str) -> History:
    history = History(path)
    history.add(row(day) for day in days)
    return history


def copied(hub: Hub) -> list[str]:
    """Return the days in the repository."""
    files = hub.repositories[f"datasets/{REPO}"].files()
    return [r.day for r in from_csv(files["history.csv"].decode())]


def commits(hub: Hub) -> int:
    return len(hub.repositories[f"datasets/{REPO}"].commits)


def test_a_new_repository_gets_the_history(hub: Hub, tmp_path: Path) -> None:
    HubHistory(REPO).exchange(history_with(tmp_path / "a", "2026-01-01", "2026-01-02"))
    assert copied(hub) == ["2026-01-01", "2026-01-02"]


def test_a_new_disk_restores_all_rows(hub: Hub, tmp_path: Path) -> None:
    before = history_with(tmp_path / "a", "2026-01-01", "2026-01-02")
    HubHistory(REPO).exchange(before)
    after = History(tmp_path / "b")
    HubHistory(REPO).exchange(after)
    assert after.rows() == before.rows()


def test_no_new_rows_make_no_commit(hub: Hub, tmp_path: Path) -> None:
    history = history_with(tmp_path / "a", "2026-01-01")
    HubHistory(REPO).exchange(history)
    before = commits(hub)
    HubHistory(REPO).exchange(history)
    assert commits(hub) == before


def test_two_monitors_share_one_repository(hub: Hub, tmp_path: Path) -> None:
    first, second = history_with(tmp_path / "a", "2026-01-01"), history_with(tmp_path / "b", "2026-01-02")
    for history in (first, second, first):
        HubHistory(REPO).exchange(history)
    assert first.rows() == second.rows()
    assert copied(hub) == ["2026-01-01", "2026-01-02"]


def test_a_slower_writer_does_not_overwrite(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slower, faster = history_with(tmp_path / "a", "2026-01-01"), history_with(tmp_path / "b", "2026-01-02")
    mirror = HubHistory(REPO)
    there = mirror._download

    def overtaken(revision: str | None) -> list[Row]:
        rows = there(revision)
        HubHistory(REPO).exchange(faster)
        return rows

    with monkeypatch.context() as patched:
        patched.setattr(mirror, "_download", overtaken)
        with pytest.raises(HubHistoryError, match="not up to date"):
            mirror.exchange(slower)
    assert copied(hub) == ["2026-01-02"]
    mirror.exchange(slower)
    assert copied(hub) == ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize("trouble", ["down", "broken line", "no rights", "no name", "foreign file", "no text"])
def test_a_failing_hub_loses_no_row_and_gets_one_sentence(hub: Hub, tmp_path: Path, trouble: str) -> None:
    history = history_with(tmp_path / "a", "2026-01-01")
    repo = {"no rights": "bob/history", "no name": "a/b/c"}.get(trouble, REPO)
    hub.down = trouble == "down"
    hub.breaks_at = "/api/" if trouble == "broken line" else None
    if trouble == "foreign file":
        hub.create(REPO, "dataset", {"history.csv": b"name,size\nx,1\n"})
    if trouble == "no text":
        hub.create(REPO, "dataset", {"history.csv": b"day\n\xff\xfe\n"})
    with pytest.raises(HubHistoryError, match=f"copy {repo} on the Hub is not up to date") as caught:
        HubHistory(repo).exchange(history)
    assert "\n" not in str(caught.value)
    assert [r.day for r in history.rows()] == ["2026-01-01"]


def test_a_failed_copy_is_made_at_the_next_check(
    hub: Hub,
    monitor: Monitor,
    worker: Worker,
    model: Artifact,
    history: History,
    nasa: Nasa,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monitor.recorder = Recorder(worker, model, history, HubHistory(REPO))
    nasa.add("2026-11-23")
    hub.down = True
    with caplog.at_level(logging.WARNING):
        list(monitor.look())
        monitor.finish()
    assert "is not up to date" in caplog.text
    assert len(history.rows()) == 1
    hub.down = False
    list(monitor.look())
    monitor.finish()
    assert copied(hub) == ["2026-11-23"]
    asked = len(hub.requests)
    list(monitor.look())
    monitor.finish()
    assert len(hub.requests) == asked
