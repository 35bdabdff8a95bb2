"""Limits on visitors: requests to NASA, and eviction from the cache."""

import datetime as dt
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from apps.monitor import settings
from apps.monitor.allowance import HOUR, Allowance
from apps.monitor.apod import Entry
from apps.monitor.app import App
from apps.monitor.cache import Cache, Finished, write_record
from apps.monitor.days import long_date, nasa_day
from apps.monitor.history import History
from apps.monitor.monitor import SHOWN_FOR, Monitor, View
from apps.monitor.pictures import THUMBNAIL, TILES, write_thumbnail
from apps.monitor.visits import NEW_DAYS_AN_HOUR, Visit, Visits
from apps.serving.gradio_api import gr
from apps.serving.viewer.comparison import Comparison
from support.clock import Clock
from support.loops import result, steps
from support.nasa import Nasa, picture
from upscaler import Limits

TODAY = nasa_day()
NEWEST = ""
COMPARISON = Comparison(size=(1, 1), doubled_size=(2, 2), suffix=".jpg", transparent=False, spot=(0.5, 0.5))
OLD = [TODAY - dt.timedelta(100 + ago) for ago in range(7)]


@pytest.fixture
def app(interface: str, nasa: Nasa, tiny_model: Path, tmp_path: Path) -> Iterator[App]:
    """An app, not serving, with a cache for two or three days; NASA has today and seven old days."""
    for day in (TODAY, *OLD):
        nasa.add(str(day), file=picture(480, 640))
    given = {
        "APOD_URL": interface,
        "CACHE": str(tmp_path / "cache"),
        "CACHE_GB": "0.004",
    }
    made = App(settings.from_environment(str(tiny_model), given), tmp_path)
    yield made
    made.monitor.finish()
    made.close()


def by(host: str) -> Any:
    """Return a visitor's request."""
    return SimpleNamespace(client=SimpleNamespace(host=host))


def show(app: App, day: dt.date | str, host: str = "192.0.2.1") -> list[Any]:
    """Open a new page at a day; return the last values of its outputs: status, heading and others."""
    *_, shown = steps(app.visits.show(Visit(), gr.EventData(None, {"day": str(day)}), by(host)))
    return list(shown)


def add(cache: Cache, day: str) -> None:
    """Add a day of about 1,100 bytes to the cache."""
    entry = Entry.model_validate({"date": day})
    finished = Finished(entry=entry, source="a.jpg", doubled="b.jpg", source_size=(1, 1), doubled_size=(2, 2),
                        seconds=1, model="m", revision="r", comparison=COMPARISON)  # fmt: skip
    with cache.adding(entry.date) as folder:
        (folder / "a.jpg").write_bytes(bytes(500))
        (folder / "b.jpg").touch()
        (folder / THUMBNAIL).touch()
        (folder / TILES).mkdir()
        write_record(folder, finished)


def days(app: App) -> list[str]:
    return sorted(path.name[:10] for path in app.folder.glob("????-??-??-*"))


@pytest.mark.slow
def test_old_days_do_not_evict_todays_picture(app: App) -> None:
    show(app, NEWEST)
    for day in OLD:
        assert str(day.year) in show(app, day)[1]
    assert len(days(app)) < 1 + len(OLD)
    assert days(app)[-1] == str(TODAY)
    assert result(app.today())["date"] == str(TODAY)
    assert f"{TODAY:%B %Y}" in show(app, NEWEST)[1]


def test_the_least_recently_used_day_is_evicted_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 3600, "r")
    for n, day in enumerate(["2020-01-01", "2020-01-02", "2020-01-03"]):
        add(cache, day)
        os.utime(tmp_path / f"{day}-r", (n, n))
    cache.find(dt.date(2020, 1, 1))
    add(cache, "2019-01-01")
    assert sorted(path.name[:10] for path in tmp_path.iterdir()) == ["2019-01-01", "2020-01-01", "2020-01-03"]


def test_other_models_are_evicted_first_and_the_latest_day_never(tmp_path: Path) -> None:
    add(Cache(tmp_path, 9000, "other"), "2025-01-01")
    cache = Cache(tmp_path, 1000, "r")
    for day in ["2020-01-03", "2020-01-01", "2020-01-02"]:
        add(cache, day)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2020-01-02-r", "2020-01-03-r"]


@pytest.mark.slow
@pytest.mark.parametrize("gone", ["all", "today", "a file"])
def test_a_removed_picture_is_fetched_again(app: App, gone: str) -> None:
    show(app, NEWEST)
    show(app, OLD[0])
    finished = app.monitor.latest.finished
    assert finished is not None
    if gone == "a file":
        finished.doubled_path.unlink()
    else:
        shutil.rmtree(app.folder if gone == "all" else finished.folder)
    answer = result(app.today())
    assert answer["date"] == str(TODAY)
    assert Path(answer["file"].removeprefix("/gradio_api/file=")).is_file()
    assert f"{TODAY:%B %Y}" in show(app, NEWEST)[1]


@pytest.mark.slow
def test_during_an_outage_the_newest_remaining_picture_is_shown(app: App, nasa: Nasa) -> None:
    show(app, NEWEST)
    show(app, OLD[0])
    assert app.monitor.latest.finished is not None
    shutil.rmtree(app.monitor.latest.finished.folder)
    nasa.failing = 503
    answer = result(app.today())
    assert answer["date"] == str(OLD[0])
    assert "It is tried again at" in answer["note"]


def test_thirty_refreshes_ask_nasa_once_a_minute(monitor: Monitor, nasa: Nasa, clock: Clock) -> None:
    nasa.add("2026-11-23")
    list(monitor.look())
    asked = len(nasa.requests)
    views = [list(monitor.refresh())[-1] for _ in range(30)]
    assert len(nasa.requests) == asked + 1
    assert all(isinstance(view, View) and view.finished for view in views)
    assert isinstance(views[1], View) and "less than a minute ago" in views[1].note
    clock.sleep(61)
    list(monitor.refresh())
    assert len(nasa.requests) == asked + 2


@pytest.mark.parametrize("retry_after", ["", "1800"])
def test_a_refresh_asks_after_an_outage_unless_nasa_asked_for_a_pause(
    monitor: Monitor, nasa: Nasa, clock: Clock, retry_after: str
) -> None:
    nasa.failing, nasa.retry_after = 503, retry_after
    for _ in range(4):  # the back-off grows to 8 minutes
        *_, view = monitor.look()
        clock.sleep(61)
    nasa.failing = None
    nasa.add("2026-11-23")
    asked = len(nasa.requests)
    *_, view = monitor.refresh()
    assert isinstance(view, View)
    assert (view.finished is None, len(nasa.requests) == asked) == (bool(retry_after), bool(retry_after)), view.note
    assert bool(retry_after) is ("asked for a pause" in view.note)


def test_a_visitor_cannot_request_the_whole_archive(app: App, nasa: Nasa) -> None:
    each, _ = NEW_DAYS_AN_HOUR
    for ago in range(each):
        app.visits.new_days.take("192.0.2.1", time.time() - ago)
    asked = len(nasa.requests)
    assert "ask for another one in 60 minutes" in show(app, OLD[0])[0]
    assert len(nasa.requests) == asked
    assert str(OLD[0].year) in show(app, OLD[0], "192.0.2.2")[1]
    assert str(OLD[0].year) in show(app, OLD[0])[1]  # it is in the cache now


ADDRESSES = ["192.0.2.1", "2001:db8::", "192.0.2.2", ""]


@given(st.lists(st.tuples(st.sampled_from(ADDRESSES), st.integers(0, 900))))
def test_the_hourly_limit_holds(asked: list[tuple[str, int]]) -> None:
    allowance, now, taken = Allowance(2, 5), 0.0, []
    for address, pause in asked:
        now += pause
        if (again := allowance.take(address, now)) is None:
            taken.append((now, address))
        else:
            assert now < again <= now + HOUR
        lately = [who for moment, who in taken if moment > now - HOUR]
        assert len(lately) <= 5
        assert all(lately.count(who) <= 2 for who in lately)


def test_a_removed_history_is_created_again(history: History) -> None:
    history.path.unlink()
    assert history.rows() == []


@pytest.mark.parametrize("sent", [None, 5, "day", {}, {"day": None}, {"day": 5}])
def test_an_event_that_the_page_did_not_send_is_refused_with_a_sentence(monitor: Monitor, sent: object) -> None:
    visits, event = Visits(monitor), gr.EventData(None, sent)
    with pytest.raises(gr.Error, match="names no day; load the page again"):
        next(steps(visits.show(Visit(), event, by("192.0.2.1"))))
    with pytest.raises(gr.Error, match="names no day; load the page again"):
        visits.poll(replace(Visit(), measured=-1), event)


def test_a_video_day_counts_once_and_cached_pictures_never(app: App, nasa: Nasa) -> None:
    each, _ = NEW_DAYS_AN_HOUR
    video, before = OLD[0], OLD[1]
    nasa.add_video(str(video))
    assert "is a video" in show(app, video)[0]
    for ago in range(each - 1):
        app.visits.new_days.take("192.0.2.1", time.time() - ago)
    asked = len(nasa.requests)
    for _ in range(3):
        shown = show(app, video)
        assert "is a video" in shown[0] and long_date(before) in shown[1]
        assert long_date(before) in show(app, before)[1]
    assert len(nasa.requests) == asked
    assert "Many days were asked for lately" in show(app, OLD[3])[0]


@pytest.mark.parametrize("change", ["time", "eviction"])
def test_what_is_shown_for_a_day_without_a_picture_is_remembered_for_a_while(
    monitor: Monitor, nasa: Nasa, clock: Clock, change: str
) -> None:
    first, video, last = (dt.date(2026, 11, day) for day in (20, 21, 22))
    nasa.add(str(first))
    nasa.add_video(str(video))
    nasa.add(str(last))
    for show, known in ((monitor.show, monitor.known), (monitor.show_after, monitor.known_after)):
        asked_for = video if show == monitor.show else first
        assert known(asked_for) is None
        *_, view = show(asked_for)
        asked = len(nasa.requests)
        assert list(show(asked_for)) == [known(asked_for)] == [view]
        assert len(nasa.requests) == asked
    if change == "time":
        clock.sleep(SHOWN_FOR)
    else:
        for day in monitor.cache.folders:
            shutil.rmtree(day)
    assert monitor.known(video) is None and monitor.known_after(first) is None


def test_a_search_for_the_next_picture_ends_after_a_year_and_is_not_repeated_for_a_while(
    monitor: Monitor, nasa: Nasa, clock: Clock
) -> None:
    first = dt.date(1995, 7, 1)
    nasa.add(str(first))
    nasa.add(str(first + dt.timedelta(366)))
    nasa.add(str(first + dt.timedelta(800)))
    *_, view = monitor.show_after(first)
    assert isinstance(view, View) and view.finished is None
    assert view.note.startswith("NASA has no entry for 2 July 1995; no picture was found within a year. Ask for")
    asked = len(nasa.requests)
    assert 1 < asked <= 365 / 25 + 1
    assert list(monitor.show_after(first)) == [monitor.known_after(first)] == [view]
    assert len(nasa.requests) == asked
    clock.sleep(SHOWN_FOR)
    assert monitor.known_after(first) is None
    *_, view = monitor.show_after(first + dt.timedelta(1))
    assert isinstance(view, View) and view.finished and view.finished.entry.date == first + dt.timedelta(366)


def test_a_picture_that_is_published_meanwhile_is_shown(monitor: Monitor, nasa: Nasa, clock: Clock) -> None:
    today = nasa_day(clock.now())
    nasa.add(str(today - dt.timedelta(1)))
    *_, before = monitor.show(today)
    nasa.add(str(today))
    *_, after = monitor.show(today)
    assert isinstance(before, View) and isinstance(after, View)
    assert "has not published the picture" in before.note
    assert after.finished and after.finished.entry.date == today


@pytest.mark.parametrize(
    ("size", "small"), [((1000, 400), (240, 96)), ((30, 500), (14, 240)), ((200, 100), (200, 100))]
)
def test_a_thumbnail_is_small(tmp_path: Path, size: tuple[int, int], small: tuple[int, int]) -> None:
    Image.new("RGB", size).save(tmp_path / "a.png")
    write_thumbnail(tmp_path / "a.png", Limits())
    with Image.open(tmp_path / THUMBNAIL) as thumbnail:
        assert thumbnail.size == small
