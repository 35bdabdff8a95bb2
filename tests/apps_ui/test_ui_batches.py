"""Batches of visitors: turns, limits, expiry, names, and estimates."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from apps.serving.bodies import MOST_FILES
from apps.serving.refusal import RequestRefusedError
from apps.ui import description, page
from apps.ui.batch import Batch, Picture, State
from apps.ui.batches import ABANDONED, AWAY, Batches
from apps.ui.choices import Choices
from apps.ui.pace import Pace, outlook
from apps.ui.uploading import safe_name
from support.batches import registry
from upscaler import Limits

CHOICES = Choices(model="fast")


def queued(batches: Batches, visitor: str, *names: str) -> Batch:
    batch = batches.create(visitor, CHOICES)
    for name in names:
        source = batch.folder / "uploads" / name
        source.parent.mkdir(exist_ok=True)
        source.write_bytes(bytes(1000))
        batches.add(batch, source)
    return batch


def order(batches: Batches) -> list[str]:
    return [picture.source.name for _, picture in batches.queue()]


def finish(picture: Picture) -> None:
    picture.target.write_bytes(picture.source.name.encode())
    picture.end(State.DONE)


def test_a_picture_that_ends_while_it_is_described_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = registry(tmp_path)
    batch = queued(batches, "a", "photo.png")
    describe = description._picture

    def describe_and_finish(batch: Batch, picture: Picture, number: int) -> dict[str, Any]:
        before = describe(batch, picture, number)
        finish(picture)
        return before

    monkeypatch.setattr(description, "_picture", describe_and_finish)
    first, second = (description.described(batch, batches, Pace()) for _ in range(2))
    assert [(first["pending"], first["pictures"][0]["state"])] == [(True, State.WAITING)]
    assert [(second["pending"], second["pictures"][0]["state"])] == [(False, State.DONE)]


def test_batches_take_turns(tmp_path: Path) -> None:
    batches = registry(tmp_path)
    queued(batches, "a", "a1", "a2", "a3")
    queued(batches, "b", "b1")
    assert order(batches) == ["a1", "b1", "a2", "a3"]


def test_a_batch_whose_page_is_away_comes_last_until_it_is_back(tmp_path: Path) -> None:
    batches = registry(tmp_path)
    away = queued(batches, "a", "a1")
    queued(batches, "b", "b1", "b2")
    away.seen -= AWAY + 1
    assert order(batches) == ["b1", "b2", "a1"]
    away.touch()
    assert order(batches) == ["a1", "b1", "b2"]


def test_the_next_picture_is_taken_once(tmp_path: Path) -> None:
    batches = registry(tmp_path)
    batch = queued(batches, "a", "a1", "a2")
    assert [batches.next(0), batches.next(0), batches.next(0)] == [(batch, one) for one in batch.pictures] + [None]
    assert batches.working() == batch.pictures


def test_a_picture_that_is_cancelled_meanwhile_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = registry(tmp_path)
    first, second = queued(batches, "a", "a1"), queued(batches, "b", "b1")
    queue = list(batches.queue())
    monkeypatch.setattr(batches, "queue", lambda: queue)  # as read before
    batches.delete(first)
    assert batches.next(0) == (second, second.pictures[0])
    assert first.pictures[0].state is State.CANCELLED
    assert batches.next(0) is None


def test_a_visitor_may_have_two_batches_at_work_and_others_their_own(tmp_path: Path) -> None:
    batches = registry(tmp_path, jobs_each=2)
    first, _ = queued(batches, "a", "a1"), queued(batches, "a", "a2")
    with pytest.raises(RequestRefusedError, match="you have 2 jobs running or waiting"):
        batches.create("a", CHOICES)
    batches.create("b", CHOICES)
    first.cancel()
    batches.create("a", CHOICES)


def test_a_full_queue_refuses_with_a_sentence(tmp_path: Path) -> None:
    batches = registry(tmp_path, most_waiting=1)
    queued(batches, "a", "a1"), queued(batches, "b", "b1")
    with pytest.raises(RequestRefusedError, match="too many people are waiting"):
        batches.create("c", CHOICES)


@pytest.mark.parametrize("limits", [{"jobs_each": 2}, {"most_waiting": 1}])
def test_batches_that_were_empty_count_when_they_get_a_picture(tmp_path: Path, limits: dict[str, int]) -> None:
    batches = registry(tmp_path, **limits)
    empty = [batches.create("a", CHOICES) for _ in range(3)]
    for batch in (empty[0], empty[1], empty[0]):
        batches.add(batch, tmp_path / "photo.png")
    with pytest.raises(RequestRefusedError, match=r"wait until one is done|too many people are waiting"):
        batches.add(empty[2], tmp_path / "photo.png")
    empty[0].pictures[0].end(State.DONE)
    batches.add(empty[0], tmp_path / "photo.png")
    empty[1].stop()
    batches.add(empty[2], tmp_path / "photo.png")


def test_a_batch_keeps_its_place_while_its_further_pictures_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = registry(tmp_path, jobs_each=2)
    batch, other = queued(batches, "a", "a1"), queued(batches, "a", "a2")
    with batches.uploading(batch):
        finish(batch.pictures[0])
        with pytest.raises(RequestRefusedError, match="you have 2 jobs running or waiting"):
            batches.create("a", CHOICES)
        batches.add(batch, tmp_path / "photo.png")
    finish(batch.pictures[1])
    with batches.uploading(batch):  # the next one, at once
        batches.add(batch, tmp_path / "photo.png")
    finish(batch.pictures[2])
    monkeypatch.setattr("apps.ui.batch._BETWEEN_UPLOADS", 0.0)
    third = batches.create("a", CHOICES)
    batches.add(third, tmp_path / "photo.png")
    with pytest.raises(RequestRefusedError, match="you have 2 jobs running or waiting"):
        batches.add(batch, tmp_path / "photo.png")
    other.cancel()
    batches.add(batch, tmp_path / "photo.png")


def test_pictures_arrive_until_some_seconds_after_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = registry(tmp_path)
    batch = queued(batches, "a", "a1")
    assert not batch.is_arriving
    with batches.uploading(batch):
        finish(batch.pictures[0])
        assert batch.is_arriving
    assert batch.is_arriving  # the next one may follow
    batches.cancel(batch)
    assert not batch.is_arriving
    other = queued(batches, "a", "a2")
    with batches.uploading(other):
        pass
    monkeypatch.setattr("apps.ui.batch._BEFORE_NEXT", 0.0)
    assert not other.is_arriving


def test_a_first_picture_that_arrives_takes_a_place_of_its_visitor(tmp_path: Path) -> None:
    batches = registry(tmp_path, jobs_each=2)
    slow, other, third = (batches.create("a", CHOICES) for _ in range(3))
    with batches.uploading(slow):
        batches.add(other, tmp_path / "photo.png")
        for begin in (lambda: batches.create("a", CHOICES), lambda: batches.admit(third)):
            with pytest.raises(RequestRefusedError, match="you have 2 jobs running or waiting"):
                begin()
        batches.add(slow, tmp_path / "photo.png")


def test_a_first_picture_that_arrives_takes_no_place_in_the_queue(tmp_path: Path) -> None:
    batches = registry(tmp_path, most_waiting=1)
    slow, *others = (batches.create(visitor, CHOICES) for visitor in "abc")
    with batches.uploading(slow):
        for batch in others:
            batches.add(batch, tmp_path / "photo.png")
        with pytest.raises(RequestRefusedError, match="too many people are waiting"):
            batches.add(slow, tmp_path / "photo.png")


def test_a_batch_has_at_most_fifty_pictures(tmp_path: Path) -> None:
    batches = registry(tmp_path)
    batch = queued(batches, "a", *(f"{n}.jpg" for n in range(MOST_FILES)))
    with pytest.raises(RequestRefusedError, match=f"at most {MOST_FILES} pictures at once"):
        batches.add(batch, tmp_path / "another.jpg")


def test_a_finished_batch_expires_and_a_greeting_does_not(tmp_path: Path) -> None:
    batches = registry(tmp_path, keep_seconds=3600)
    greeting = batches.greet(CHOICES, tmp_path / "sample.jpg")
    batch, pending = queued(batches, "a", "a1"), queued(batches, "b", "b1")
    finish(batch.pictures[0])
    for one, seconds in ((greeting, 3601), (batch, 3601), (pending, 1801)):
        one.seen -= seconds
    batches.clean()
    assert not batch.folder.exists()
    assert batches.find(greeting.id) is greeting
    assert batches.find(pending.id).pictures[0].state is State.CANCELLED
    with pytest.raises(RequestRefusedError, match="were deleted; choose them again"):
        batches.find(batch.id)


def test_a_batch_whose_pictures_are_arriving_is_visited(tmp_path: Path) -> None:
    batches = registry(tmp_path, keep_seconds=3600)
    batch = queued(batches, "a", "a1")
    batch.seen -= 3601
    with batches.uploading(batch):
        batches.clean()
    assert batches.find(batch.id).pictures[0].state is State.WAITING


def test_work_that_nobody_comes_back_for_is_cancelled_and_what_is_done_stays(tmp_path: Path) -> None:
    batches = registry(tmp_path)
    batch = queued(batches, "a", "a1", "a2")
    finish(batch.pictures[0])
    batch.seen -= ABANDONED + 1
    batches.clean()
    assert [picture.state for picture in batch.pictures] == [State.DONE, State.CANCELLED]
    assert batch.done[0].target.exists()


def test_at_the_limit_empty_batches_go_first_then_those_not_visited_for_longest_and_unfinished_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.ui.batches._BATCHES_EACH", 4)
    batches = registry(tmp_path, most_waiting=100, jobs_each=100)
    unfinished, visited, left = (queued(batches, "a", name) for name in ("a1", "a2", "a3"))
    for batch in (visited, left):
        finish(batch.pictures[0])
    visited.touch()
    empty = batches.create("a", CHOICES)
    newer = queued(batches, "a", "a4")
    assert not empty.folder.exists()
    assert all(batch.folder.exists() for batch in (unfinished, visited, left, newer))
    batches.create("a", CHOICES)
    assert not left.folder.exists()
    assert all(batch.folder.exists() for batch in (unfinished, visited, newer))


def test_a_result_outlives_many_later_ones_of_its_visitor(tmp_path: Path) -> None:
    batches = registry(tmp_path)
    first = queued(batches, "a", "a0")
    finish(first.pictures[0])
    for n in range(100):
        finish(queued(batches, "a", f"a{n + 1}").pictures[0])
    assert batches.find(first.id).done[0].target.exists()
    assert order(batches) == [] and batches.working() == []


def test_the_page_names_the_limit_of_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "DEFAULT_LIMITS", Limits(pixels=64_500_000))
    assert "of 50 MB and 64.5 megapixels each" in page.markup({"fast": ""}, (), "", 50, 3600)


def test_ids_cannot_be_guessed(tmp_path: Path) -> None:
    batches = registry(tmp_path)
    ids = {batches.create(str(n), CHOICES).id for n in range(10)}
    assert len(ids) == 10
    assert all(len(bytes.fromhex(id)) == 16 for id in ids)


def test_pictures_of_one_name_keep_their_own_results_and_names_in_the_zip(tmp_path: Path) -> None:
    batches = registry(tmp_path)
    batch = batches.create("a", CHOICES)
    for n in range(3):
        source = batch.folder / f"upload_{n}" / "holiday.jpg"
        source.parent.mkdir()
        source.write_bytes(bytes(n))
        finish(batches.add(batch, source))
    downloads = {name: path for path, name in batch.downloads()}
    assert list(downloads) == ["holiday_2x.jpg", "holiday_2x (2).jpg", "holiday_2x (3).jpg"]
    assert len(set(downloads.values())) == 3


def test_the_estimate_follows_the_pictures_that_were_seen(tmp_path: Path) -> None:
    batches, pace = registry(tmp_path), Pace()
    batch = queued(batches, "a", "a1")
    for _ in range(20):
        pace.add(500_000, 40)
    assert pace.remaining(batch.pictures[0]) == pytest.approx(1000 * 40 / 500_000, rel=0.05)


def test_the_outlook_counts_pictures_ahead_and_the_seconds_until_begin_and_end(tmp_path: Path) -> None:
    batches, pace = registry(tmp_path), Pace(seconds=4, bytes=1000)
    first, second = queued(batches, "a", "a1", "a2"), queued(batches, "b", "b1")
    batches.next(0)
    first.pictures[0].seconds_left = 10
    assert outlook(pace, first, batches.working(), batches.queue()) == (0, 0, 18)  # a1, b1, a2
    assert outlook(pace, second, batches.working(), batches.queue()) == (1, 10, 14)


def test_a_file_that_a_program_uploaded_is_kept_until_its_turn(tmp_path: Path) -> None:
    batches, upload = registry(tmp_path), tmp_path / "upload/a.png"
    upload.parent.mkdir()
    upload.write_bytes(b"pixels")
    (picture,) = batches.create("a", CHOICES, [upload], for_page=False).pictures
    upload.unlink()
    assert picture.source.read_bytes() == b"pixels"


@for_all(st.text(max_size=300))
def test_a_strange_name_becomes_one_that_every_file_system_takes(given: str) -> None:
    name = safe_name(given)
    assert name and not name.startswith(".") and not set("/\\\0\n") & set(name)
    assert len(f"{name}_4x.jpg".encode()) < 255
