"""End of a replica: no new work is taken, and what is there is finished and fetched."""

from pathlib import Path

import pytest

from apps.serving.draining import Draining
from apps.serving.refusal import RequestRefusedError
from apps.serving.settings import SettingError
from apps.ui import batches as batches_
from apps.ui import settings
from apps.ui.batch import State
from apps.ui.batches import Batches
from apps.ui.choices import Choices
from support.batches import VISITOR

CHOICES = Choices(model="model")


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Batches:
    """Batches of the replica "b2", whose visitors are away at once."""
    monkeypatch.setattr(batches_, "AWAY", 0.0)
    return Batches(tmp_path / "work", 10, 10, 3600, "b2")


def test_work_is_finished_and_fetched_before_the_end(batches: Batches, tmp_path: Path) -> None:
    batch = batches.create(VISITOR, CHOICES)
    picture = batches.add(batch, tmp_path / "a.png")
    draining = Draining(60, batches.drain, batches.is_done)
    assert draining.start()
    assert not draining.is_over
    picture.end(State.DONE)
    assert not draining.is_over
    picture.is_fetched = True
    assert draining.is_over


def test_deleted_or_failed_work_and_a_programs_results_need_no_download(batches: Batches, tmp_path: Path) -> None:
    deleted, failed = batches.create(VISITOR, CHOICES), batches.create(VISITOR, CHOICES)
    batches.add(deleted, tmp_path / "a.png").end(State.DONE)
    batches.add(failed, tmp_path / "a.png").end(State.FAILED, "It is broken.")
    batches.add(batches.create(VISITOR, CHOICES, for_page=False), tmp_path / "a.png").end(State.DONE)
    assert not batches.is_done()
    batches.delete(deleted)
    assert batches.is_done()


def test_a_page_that_is_there_is_waited_for(batches: Batches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches.create(VISITOR, CHOICES)
    assert batches.is_done()
    monkeypatch.setattr(batches_, "AWAY", 60.0)  # it may be uploading
    assert not batches.is_done()


def test_new_work_is_refused_and_begun_work_goes_on(batches: Batches, tmp_path: Path) -> None:
    begun = batches.create(VISITOR, CHOICES)
    batches.check_open()
    batches.drain()
    for refused in (lambda: batches.create(VISITOR, CHOICES), batches.check_open):
        with pytest.raises(RequestRefusedError, match="this server is being replaced; try again"):
            refused()
    batches.add(begun, tmp_path / "a.png")
    assert begun.is_pending


def test_an_id_tells_the_replica(batches: Batches) -> None:
    assert batches.create(VISITOR, CHOICES).id.startswith("b2-")


def test_the_time_is_bounded_and_a_second_signal_ends_it() -> None:
    begun: list[bool] = []
    draining = Draining(1e-9, lambda: begun.append(True), lambda: False)
    assert not draining.is_over
    assert draining.start()
    assert not draining.start()
    assert begun == [True]
    assert draining.is_over
    assert not Draining(0, lambda: None, lambda: True).start()


@pytest.mark.parametrize("name", ["a b", "a/b", "ä", "-", "a" * 17])
def test_a_name_that_is_no_word_is_refused(name: str) -> None:
    with pytest.raises(SettingError, match="REPLICA is"):
        settings.from_environment("fast", {"REPLICA": name})
    given = settings.from_environment("fast, best", {"REPLICA": "b2", "DRAIN_MINUTES": "0.5"})
    assert given.drain_seconds == 30
    assert given.models == ("fast", "best")
