"""History and cache with several writers, and after a process is killed."""

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from apps.monitor.history import COLUMNS, History, HistoryError, Row, from_csv, to_csv
from apps.monitor.monitor import Monitor, View
from support.nasa import Nasa

ROOT = Path(__file__).parents[2]
ROWS = 20
WRITER = """
import datetime as dt, pathlib, sys
from apps.monitor.history import History, Row
history, revision, rows = History(pathlib.Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for n in range(rows):
    day = str(dt.date(2026, 1, 1) + dt.timedelta(n))
    history.add([Row(day=day, revision=revision, model="m", title="t", width=2, height=2, measured_width=2,
                     measured_height=2, psnr=30, ssim=0.9, bicubic_psnr=29, bicubic_ssim=0.8, gain=1, seconds=1,
                     measured_at="2026-01-01T00:00:00Z")])
"""


def row(day: str, revision: str = "r") -> Row:
    values = dict.fromkeys(COLUMNS, 1) | {"day": day, "revision": revision, "model": "m", "title": 'a "title", so'}
    return Row.model_validate(values | {"measured_at": "2026-01-01T00:00:00Z"})


def writer(path: Path, revision: str, rows: int = ROWS) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), revision, str(rows)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def start_together(*writers: subprocess.Popen[str]) -> None:
    for process in writers:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def test_concurrent_writers_lose_no_row(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with writer(path, "one") as first, writer(path, "two") as second:
        start_together(first, second)
        assert (first.wait(60), second.wait(60)) == (0, 0)
    history = History(path)
    assert (len(history.rows("one")), len(history.rows("two"))) == (ROWS, ROWS)


def test_a_killed_writer_leaves_a_usable_history(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with writer(path, "one", rows=20_000) as killed:
        start_together(killed)
        while not History(path).rows():
            assert killed.poll() is None
        killed.kill()
    history = History(path)
    days = [r.day for r in history.rows()]
    assert days == [str(dt.date(2026, 1, 1) + dt.timedelta(n)) for n in range(len(days))]
    history.add([row("1999-01-01")])
    assert len(history.rows()) == len(days) + 1


def test_unfinished_work_of_a_killed_monitor_is_repeated(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add("2026-11-23")
    half = monitor.cache.folder / f"2026-11-23-{monitor.recorder.revision}"
    half.mkdir()
    (half / "apod_2026-11-23.jpg").write_bytes(b"half a picture")
    *_, view = monitor.look()
    assert isinstance(view, View) and view.finished is not None
    assert view.finished.doubled_path.is_file()


def test_an_unmeasured_day_is_measured_at_the_next_check(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add("2026-11-23")
    list(monitor.look())
    monitor.finish()
    history = monitor.recorder.history
    lost = history.rows()
    history.path.unlink()
    monitor.recorder.history = History(history.path)
    list(monitor.look())
    monitor.finish()
    assert [r.day for r in monitor.recorder.history.rows()] == [r.day for r in lost]
    assert nasa.pictures_asked_for() == 1


def test_rows_survive_a_csv_round_trip() -> None:
    rows = [row("2026-01-01"), row("2026-01-02", "s")]
    assert from_csv(to_csv(rows)) == rows


@pytest.mark.parametrize("title", ["=HYPERLINK(1)", "+1", "-1", "@x", "'=1", "'tis", ""])
def test_csv_cells_are_no_formulas_and_survive_a_round_trip(title: str) -> None:
    rows = [row("2026-01-01").model_copy(update={"title": title, "gain": -1.5, "model": "=m"})]
    text = to_csv(rows)
    assert ",'=m," in text and ",-1.5," in text
    assert f",{title}," not in text or title in ("'tis", "")
    assert from_csv(text) == rows


def test_line_breaks_in_a_title_are_removed() -> None:
    values = row("2026-01-01").model_dump() | {"title": "a\rb\n\t=1\x1c"}
    rows = [Row.model_validate(values)]
    assert rows[0].title == "a b =1"
    assert from_csv(to_csv(rows)) == rows


HOSTILE = {
    "gain": ["nan", "inf", "-inf", "1e999", "x", ""],
    "psnr": ["NaN"],
    "width": ["0", "-1", "1" * 5000, "1e3"],
    "day": ["soon", "20260101", "9999-12-31", "0001-01-01", "1995-06-15", "2026-02-30", "2026-W01-1", ""],
    "title": ["a" * 2001, "a" * 200_000],
    "revision": ["a" * 201],
    "measured_at": ["a" * 201],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in HOSTILE for value in HOSTILE[name]])
def test_a_hostile_cell_on_the_hub_is_refused_in_one_sentence(name: str, value: str) -> None:
    heading, line = to_csv([row("2026-01-01")]).splitlines()
    cells = line.replace('"a ""title"", so"', "t").split(",")
    cells[COLUMNS.index(name)] = value
    with pytest.raises(HistoryError) as caught:
        from_csv(f"{heading}\n{','.join(cells)}\n")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["a,b\n1,2\n", "day\n" + "x\n" * 10, '"' + "a" * 200_000, "x" * 30_000_000, to_csv([]) + "1," * 90 + "\n"],
    ids=lambda text: repr(text[:12]),
)
def test_a_file_on_the_hub_that_is_not_a_history_is_refused(text: str) -> None:
    with pytest.raises(HistoryError):
        from_csv(text)


@pytest.mark.slow
def test_too_many_rows_are_refused() -> None:
    heading, line = to_csv([row("2026-01-01")]).splitlines()
    with pytest.raises(HistoryError, match="rows"):
        from_csv("\n".join([heading, *[line] * 100_001]))
