"""Choice of the day that the monitor shows, and its notes, for various answers of NASA."""

import datetime as dt
import errno
import io
import shutil
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import Image

from apps.monitor import page
from apps.monitor.days import nasa_day
from apps.monitor.history import History
from apps.monitor.monitor import Monitor, News, View
from apps.monitor.visits import Visit, Visits
from support.clock import Clock
from support.loops import steps
from support.nasa import Nasa, picture
from support.pictures import photo_like
from upscaler.pictures.reading import read_rgb8

TODAY, YESTERDAY, BEFORE = "2026-11-23", "2026-11-22", "2026-11-21"


def last(news: Iterable[News]) -> View:
    *_, view = news
    assert isinstance(view, View)
    return view


def look(monitor: Monitor) -> View:
    """Run a check after waiting for running measurements, so that it does not join them."""
    monitor.finish()
    return last(monitor.look())


def shown_day(view: View) -> str:
    assert view.finished is not None, view.note
    return str(view.finished.entry.date)


def test_the_newest_picture_is_doubled_and_measured(monitor: Monitor, nasa: Nasa, history: History) -> None:
    nasa.add(TODAY)
    view = last(monitor.look())
    assert (shown_day(view), view.note) == (TODAY, "")
    assert view.finished is not None
    with Image.open(view.finished.doubled_path) as doubled:
        assert doubled.size == (240, 180)
    monitor.finish()
    (row,) = history.rows()
    assert (row.day, row.measured_width, row.measured_height) == (TODAY, 120, 90)
    assert row.gain == pytest.approx(row.psnr - row.bicubic_psnr)


def test_a_second_check_downloads_nothing_twice(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(TODAY)
    look(monitor)
    look(monitor)
    assert nasa.pictures_asked_for() == 1


def test_twenty_visitors_at_once_cause_one_download(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(TODAY)
    with ThreadPoolExecutor(20) as visitors:
        views = list(visitors.map(lambda _: last(monitor.look()), range(20)))
    assert {shown_day(view) for view in views} == {TODAY}
    assert nasa.pictures_asked_for() == 1


def gif() -> bytes:
    content = io.BytesIO()
    frames = [Image.fromarray(photo_like(40, 40, seed)) for seed in (0, 1)]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    return content.getvalue()


def large_png() -> bytes:
    content = io.BytesIO()
    Image.new("1", (10_000, 10_000)).save(content, "PNG")
    return content.getvalue()


LACKS: dict[str, tuple[dict[str, Any], str]] = {
    "video": ({"media_type": "video", "basic_html": '<iframe src="https://video.example/1"></iframe>'}, "is a video"),
    "iframe": ({"media_type": "iframe"}, "is an interactive page"),
    "other": ({"media_type": "other"}, "is an interactive page"),
    "no link": ({"hdurl": False}, "has no picture"),
    "broken link": ({"hdurl": "https://[/a.jpg"}, "has no picture"),
    "script for a link": ({"hdurl": "javascript:alert(1)"}, "has no picture"),
    "broken frame": ({"media_type": "video", "basic_html": '<iframe src="https://["></iframe>'}, "is a video"),
    "placeholder": ({"hdurl": "https://assets.science.nasa.gov/images/misc/news-thumbnail.png"}, "only a placeholder"),
    "logo": ({"hdurl": "https://www.nasa.gov/logo.png"}, "only a placeholder"),
    "web page": ({"file": b"<html>not found</html>"}, "has a file that is not a readable picture. So"),
    "truncated": ({"file": picture()[:-400]}, "has a file that is broken (image file is truncated"),
    "100 megapixels": ({"file": large_png()}, "too large"),
    "animation": ({"file": gif()}, "is an animation"),
    "foreign host": ({"hdurl": "https://example.org/a.jpg"}, "not NASA's"),
    "private host": ({"hdurl": "http://10.0.0.1/a.jpg"}, "not NASA's"),
    "gone": ({"hdurl": "HOME/picture/gone.jpg"}, "cannot be fetched"),
}


@pytest.mark.parametrize("case", LACKS)
def test_a_day_without_a_picture_shows_an_earlier_one(monitor: Monitor, nasa: Nasa, case: str) -> None:
    fields, reason = LACKS[case]
    fields = {name: value.replace("HOME", nasa.address) if name == "hdurl" and value else value
              for name, value in fields.items()}  # fmt: skip
    nasa.add(TODAY, **fields)
    nasa.add(YESTERDAY)
    view = last(monitor.look())
    assert shown_day(view) == YESTERDAY
    assert reason in view.note
    assert "the picture of 22 November 2026" in view.note
    assert (view.video == "https://video.example/1") is (case == "video")


def test_an_unpublished_day_gets_a_note(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(YESTERDAY)
    view = last(monitor.look())
    assert shown_day(view) == YESTERDAY
    assert view.note.startswith("NASA has not published the picture of 23 November 2026 yet")


def test_a_picked_day_without_an_entry_shows_the_one_before(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(TODAY)
    nasa.add(BEFORE)
    view = last(monitor.show(dt.date.fromisoformat(YESTERDAY)))
    assert shown_day(view) == BEFORE
    assert view.note.startswith("NASA has no entry for 22 November 2026")


@pytest.mark.slow
@pytest.mark.parametrize("answer", [500, 503, 429, 404, b"<html>", b"[]", b"{}", b'[{"date": "soon"}]'])
def test_when_nasa_fails_the_last_picture_stays_with_a_note(
    monitor: Monitor, nasa: Nasa, clock: Clock, answer: int | bytes
) -> None:
    nasa.add(YESTERDAY)
    look(monitor)
    nasa.failing = answer
    view = look(monitor)
    assert shown_day(view) == YESTERDAY
    assert "It is tried again at" in view.note
    nasa.failing = None
    nasa.add(TODAY)
    clock.sleep(3700)
    assert monitor.is_due
    assert shown_day(look(monitor)) == TODAY


def test_each_hourly_look_tries_a_broken_picture_again_and_visitors_do_not(
    monitor: Monitor, nasa: Nasa, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nasa.add(YESTERDAY)
    look(monitor)
    nasa.add(TODAY, hdurl=f"{nasa.address}/picture/gone.jpg")
    ask = nasa.answer

    def answer_slowly(path: str) -> tuple[int, str, bytes]:
        clock.sleep(3)
        return ask(path)

    monkeypatch.setattr(nasa, "answer", answer_slowly)
    for looks in range(1, 4):
        assert shown_day(look(monitor)) == YESTERDAY
        assert shown_day(last(monitor.show(dt.date.fromisoformat(TODAY)))) == YESTERDAY
        assert nasa.pictures_asked_for() == 1 + looks
        clock.sleep(3590)


@pytest.mark.parametrize("is_full", [False, True])
def test_a_disk_that_refuses_the_table_costs_its_link_alone(
    monitor: Monitor, nasa: Nasa, monkeypatch: pytest.MonkeyPatch, is_full: bool
) -> None:
    nasa.add(TODAY)
    look(monitor)
    monitor.finish()
    if is_full:
        monkeypatch.setattr(
            "apps.monitor.visits.write_text", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, ""))
        )
    *_, outputs = steps(Visits(monitor).refresh(Visit()))
    assert "A nebula" in str(outputs)
    assert ("History as CSV" in str(outputs)) is not is_full


def test_the_reason_is_said_if_no_earlier_day_has_a_picture(monitor: Monitor, nasa: Nasa) -> None:
    for day in (TODAY, YESTERDAY):
        nasa.add(day, hdurl="https://www.nasa.gov/logo.png")
    view = last(monitor.show(dt.date.fromisoformat(TODAY)))
    assert view.finished is None
    assert view.note.startswith("The entry of 23 November 2026 has only a placeholder, because NASA has not moved")
    later = last(monitor.show_after(dt.date.fromisoformat(TODAY)))
    assert later.note.startswith("NASA has not published the picture of 24 November 2026 yet")


def test_an_entry_of_another_day_is_refused(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(TODAY)
    nasa.days[YESTERDAY] = nasa.days[TODAY]
    view = last(monitor.show(dt.date.fromisoformat(YESTERDAY)))
    assert view.finished is None
    assert "answered with 2026-11-23 to a request for 2026-11-22" in view.note


def test_a_list_in_place_of_an_entry_is_refused(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(TODAY)
    nasa.days[YESTERDAY] = [nasa.days[TODAY]]  # type: ignore[assignment]
    view = last(monitor.show(dt.date.fromisoformat(YESTERDAY)))
    assert view.finished is None
    assert "is not the day's entry" in view.note


@pytest.mark.parametrize("trouble", ["the picture fails", "the disk is full"])
def test_after_a_stuck_day_the_next_day_is_shown(
    monitor: Monitor, nasa: Nasa, clock: Clock, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    nasa.add(BEFORE)
    look(monitor)
    nasa.add(YESTERDAY)
    with monkeypatch.context() as patched:
        if trouble == "the picture fails":
            nasa.failing_files.add(f"/picture/{YESTERDAY}.jpg")
        else:
            full = OSError(errno.ENOSPC, "No space left on device", "/srv/secret")
            patched.setattr("pathlib.Path.write_bytes", lambda *_: (_ for _ in ()).throw(full))
        view = look(monitor)
    assert shown_day(view) == BEFORE
    assert ("This server has a fault (no space left on device)" in view.note) == (trouble == "the disk is full")
    assert "/srv/secret" not in view.note
    assert "It is tried again at" in view.note
    nasa.add(TODAY)
    clock.sleep(3700)
    assert shown_day(look(monitor)) == TODAY


def test_hourly_checks_continue_after_an_unexpected_failure(
    monitor: Monitor, nasa: Nasa, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nasa.add(TODAY)
    stop = threading.Event()
    monkeypatch.setattr("apps.monitor.doubling.cache.write_record", lambda *_: 1 / 0)
    looking = threading.Thread(target=monitor.keep_looking, args=(stop,))
    pauses: list[float] = []

    def pause(seconds: float) -> bool:
        pauses.append(seconds)
        clock.sleep(seconds)
        monkeypatch.undo()  # from the second check on, upscaling works
        if len(pauses) == 2:
            stop.set()
        return stop.is_set()

    stop.wait = pause  # type: ignore[method-assign,assignment]
    looking.start()
    looking.join(60)
    assert pauses[0] == 3600
    assert shown_day(monitor.latest) == TODAY


def test_a_refresh_does_not_wait_for_a_measurement(
    monitor: Monitor, nasa: Nasa, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = threading.Event()
    monkeypatch.setattr(monitor.recorder, "record", lambda _: measured.wait(60))
    nasa.add(YESTERDAY)
    last(monitor.look())
    nasa.failing = 503
    view = last(monitor.look())
    measured.set()
    assert shown_day(view) == YESTERDAY
    assert "It is tried again at" in view.note


def test_html_from_nasa_is_sanitised(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(
        TODAY,
        title="Saturn&#8217;s <script>alert(1)</script>rings",
        permalink="javascript:alert(2)",
        url="",
        credit='<img src=x onerror="alert(3)"><a href="javascript:alert(4)">A. Nobody</a>',
        explanation='<strong>Explanation:</strong> <a href="ap950616.html" onclick="alert(5)">this</a>.<br><br>More',
    )
    view = last(monitor.look())
    assert view.finished is not None
    shown = page.heading(view.finished) + page.about(view.finished)
    assert "alert" not in shown
    assert "Saturn\N{RIGHT SINGLE QUOTATION MARK}s rings" in shown
    assert 'href="https://apod.nasa.gov/apod/ap950616.html"' in shown
    assert "More" not in shown


HALF_PAST_MIDNIGHT = 1_795_480_200.0  # 2026-11-24 00:30 UTC, in seconds since 1970


def test_at_half_past_midnight_in_london_it_is_still_yesterday_in_washington(
    monitor: Monitor, nasa: Nasa, clock: Clock
) -> None:
    clock.seconds = HALF_PAST_MIDNIGHT
    nasa.add(TODAY)
    view = last(monitor.look())
    assert (shown_day(view), view.note) == (TODAY, "")


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        (HALF_PAST_MIDNIGHT, TODAY),
        (HALF_PAST_MIDNIGHT + 4.4 * 3600, TODAY),
        (HALF_PAST_MIDNIGHT + 4.6 * 3600, "2026-11-24"),
        (1_783_224_000.0 - 1, "2026-07-04"),  # daylight saving time
        (1_783_224_000.0, "2026-07-05"),
    ],
)
def test_nasas_day_begins_at_midnight_eastern_time(moment: float, day: str) -> None:
    assert str(nasa_day(moment)) == day


def test_the_next_day_skips_videos_and_ends_at_the_newest_picture(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(BEFORE)
    nasa.add_video(YESTERDAY)
    nasa.add(TODAY)
    view = last(monitor.show_after(dt.date.fromisoformat(BEFORE)))
    assert (shown_day(view), view.video) == (TODAY, "https://www.youtube.com/embed/abc")
    assert view.note.startswith("The entry of 22 November 2026 is a video. So this is the picture of 23 November")
    assert last(monitor.show_after(dt.date.fromisoformat(TODAY))).finished is None


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, format, **options)
    return content.getvalue()


def odd_picture(kind: str) -> bytes:
    """Return a picture of 40x30 pixels, upright, as `kind` says."""
    image = Image.fromarray(photo_like(30, 40))
    if kind == "two pictures":
        return saved(image, "MPO", save_all=True, append_images=[image.resize((20, 15))])
    if kind == "turned":
        exif = Image.Exif()
        exif[0x112] = 6
        return saved(image.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)
    if kind == "16 bits":
        return saved(Image.fromarray(photo_like(30, 40)[:, :, 0].astype("uint16") * 257), "PNG")
    return saved(image.convert("CMYK") if kind == "CMYK" else image, "JPEG" if kind == "CMYK" else kind)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("two pictures", ".jpg"),
        ("turned", ".jpg"),
        ("CMYK", ".jpg"),
        ("16 bits", ".png"),
        ("BMP", ".bmp"),
        ("TIFF", ".tif"),
    ],
)
def test_odd_pictures_are_doubled_shown_and_measured_upright(
    monitor: Monitor, nasa: Nasa, history: History, kind: str, suffix: str
) -> None:
    nasa.add(TODAY, file=odd_picture(kind))
    view = last(monitor.look())
    finished = view.finished
    assert finished is not None, view.note
    assert (finished.source_path.suffix, finished.comparison.size) == (suffix, (40, 30))
    assert read_rgb8(finished.doubled_path).shape == (60, 80, 3)
    with Image.open(finished.thumbnail_path) as thumbnail:
        assert thumbnail.size == (40, 30)
    monitor.finish()
    assert [(row.width, row.height) for row in history.rows()] == [(40, 30)]


def test_a_day_cached_without_tiles_is_made_anew(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(TODAY)
    before = look(monitor).finished
    assert before is not None
    shutil.rmtree(before.tiles_path)
    assert monitor.cache.find(dt.date.fromisoformat(TODAY)) is None
    assert shown_day(look(monitor)) == TODAY
    assert before.tiles_path.is_dir()


def test_unknown_and_missing_fields_are_accepted(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add(TODAY, something_new={"a": 1}, credit=False)
    for name in ("copyright", "media_type", "basic_html"):
        del nasa.days[TODAY][name]
    assert shown_day(last(monitor.look())) == TODAY
