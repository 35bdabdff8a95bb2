"""A page that stays open for several days."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apps.monitor import settings
from apps.monitor.app import App
from apps.monitor.visits import Visit, Visits
from apps.serving.gradio_api import gr
from support.loops import steps
from support.nasa import Nasa

BEFORE, YESTERDAY, TODAY = "2026-11-21", "2026-11-22", "2026-11-23"


@pytest.fixture
def app(interface: str, tiny_model: Path, tmp_path: Path) -> Iterator[App]:
    """An app that does not serve."""
    given = {"APOD_URL": interface, "CACHE": str(tmp_path / "cache")}
    with closing(App(settings.from_environment(str(tiny_model), given), tmp_path)) as made:
        yield made


def at(day: str) -> gr.EventData:
    return gr.EventData(None, {"day": day})


def anybody() -> Any:
    """Return a visitor's request."""
    return SimpleNamespace(client=None)


def ask(visits: Visits, visit: Visit, day: str = "") -> Iterator[list[Any]]:
    return steps(visits.show(visit, at(day), anybody()))


def is_skipped(value: Any) -> bool:
    return isinstance(value, dict) and value == {"__type__": "update"}


def test_an_open_page_follows_the_newest_picture_unless_it_shows_another_day(app: App, nasa: Nasa) -> None:
    nasa.add(BEFORE)
    nasa.add(YESTERDAY)
    newest, other = Visit(), Visit()
    list(ask(app.visits, newest))
    app.monitor.finish()
    list(ask(app.visits, other, BEFORE))
    app.monitor.finish()
    measured = app.visits.poll(newest, at(""))
    assert all(map(is_skipped, measured[:4]))  # the picture keeps its place
    assert "3 dB" in measured[5]
    app.visits.poll(other, at(BEFORE))
    assert all(map(is_skipped, app.visits.poll(newest, at(""))))

    nasa.add(TODAY, "A galaxy")
    list(app.monitor.look())
    app.monitor.finish()
    assert "A galaxy" in app.visits.poll(newest, at(""))[1]
    told = app.visits.poll(other, at(BEFORE))
    assert "A newer picture is out" in told[0]
    assert all(map(is_skipped, told[1:4]))
    for visit, day in ((newest, ""), (other, BEFORE)):
        assert all(map(is_skipped, app.visits.poll(visit, at(day))))


@pytest.mark.parametrize("day", ["", BEFORE])
def test_a_page_whose_state_is_lost_keeps_its_picture_and_its_place_in_the_strip(
    app: App, nasa: Nasa, day: str
) -> None:
    nasa.add(BEFORE)
    list(ask(app.visits, Visit()))
    lost, polled = Visit(), gr.EventData(None, {"day": day, "shown": BEFORE})
    outputs = app.visits.poll(lost, polled)
    assert all(map(is_skipped, outputs[1:4]))
    assert f'data-shown="{BEFORE}"' in outputs[4] and 'aria-current="true"' in outputs[4]
    wrong = gr.EventData(None, {"day": "soon", "shown": BEFORE})
    *_, outputs = steps(app.visits.show(Visit(), wrong, anybody()))
    assert all(map(is_skipped, outputs[1:]))


def test_a_new_wish_ends_the_one_before(app: App, nasa: Nasa) -> None:
    nasa.add(YESTERDAY, "Slow")
    nasa.add(BEFORE, "Fast")
    nasa.held.clear()
    visit = Visit()
    slow = ask(app.visits, visit, YESTERDAY)
    assert "Asking NASA" in next(slow)[0]
    nasa.held.set()
    *_, fast = ask(app.visits, visit, BEFORE)
    assert "Fast" in fast[1]
    assert all(map(is_skipped, [value for values in slow for value in values]))
    assert str(visit.shown) == BEFORE


def test_who_comes_during_a_check_waits_for_its_picture(app: App, nasa: Nasa) -> None:
    nasa.add(YESTERDAY, "A nebula")
    list(ask(app.visits, Visit()))
    nasa.add(TODAY, "A galaxy")
    nasa.held.clear()
    check = threading.Thread(target=list, args=(app.monitor.look(),))
    check.start()
    while nasa.pictures_asked_for() < 2:
        time.sleep(0.01)
    comes = ask(app.visits, Visit())
    assert "A nebula" in next(comes)[1]
    assert "Asking NASA" in next(comes)[0]
    nasa.held.set()
    *_, last = comes
    assert "A galaxy" in last[1]
    check.join()


@pytest.mark.parametrize("day", ["1995-06-15", "2126-01-01", "soon", "after-", "after-2126-01-01", "9" * 99])
def test_a_day_without_a_picture_gets_a_sentence(app: App, nasa: Nasa, day: str) -> None:
    (values,) = ask(app.visits, Visit(), day)
    assert "choose one of these days" in values[0] or "names no day" in values[0]
    assert nasa.requests == []
