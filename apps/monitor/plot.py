"""Plot of the model's quality by day; each point is a link to its day."""

import datetime as dt
import html
import math
import statistics
import textwrap
from collections.abc import Iterable, Sequence

from apps.monitor import outliers
from apps.monitor.days import long_date, short_date
from apps.monitor.history import Row
from apps.monitor.outliers import Mark

MOST_DAYS = 366  # points; the newest are shown
_LONGEST_TITLE = 100  # characters
_TICKS = 5  # dates below the plot; more would overlap on a phone

_HEADING = "<h2>How much closer to the true picture than bicubic interpolation, each day</h2>"
_EXPLANATION = (
    "Each day's picture is shrunk to half its size, then enlarged again by the model and by bicubic interpolation. "
    "A point at 3 dB means: the model's squared error is half as large. Choose a point to see its day."
)
_EMPTY = "No day has been measured yet. The first point appears here soon after the first picture."


def render(rows: list[Row]) -> str:
    """Render the gain over bicubic interpolation by day, with outliers marked, or why there is no plot yet.

    rows: by day. plot.js handles mouse, touch and keys.
    """
    if not rows:
        return f"{_HEADING}<p>{_EMPTY}</p>"
    marks, rows = outliers.marks(rows)[-MOST_DAYS:], rows[-MOST_DAYS:]
    levels = _levels([row.gain for row in rows])
    return (
        f"{_HEADING}<p>{_EXPLANATION}</p><p>{_summary(rows)}</p>{_legend(marks)}"
        f'<div class="plot"><p aria-hidden="true">dB closer than bicubic</p><div class="plane">'
        f'<ol class="levels" aria-hidden="true">{_lines(levels)}</ol>'
        f'<ul class="points" aria-label="Measured days; the arrow keys go from one to another">'
        f"{_points(rows, marks, levels)}</ul></div>"
        f'<ol class="dates" aria-hidden="true">{_dates(rows)}</ol>'
        f'<p><a class="chosen" href="#{rows[-1].day}">{_name(rows[-1], marks[-1])}</a></p></div>'
    )


def _summary(rows: list[Row]) -> str:
    """Say in words what the plot shows."""
    gains = [row.gain for row in rows]
    if len(gains) == 1:
        return _signed(f"One day is measured: {gains[0]:.1f} dB.")
    middle, least, most = statistics.median(gains), min(gains), max(gains)
    return _signed(f"{len(gains)} days: {middle:.1f} dB at the median, {least:.1f} to {most:.1f} dB.")


def _legend(marks: Iterable[Mark]) -> str:
    """Render a legend of the marks that occur."""
    occurring = set(marks)
    items = (f'<li><span class="{_css(mark)}"></span>{mark}</li>' for mark in Mark if mark in occurring)
    return f'<ul class="legend">{"".join(items)}</ul>'


def _levels(gains: list[float]) -> list[float]:
    """Return round numbers of dB in even steps, with 0, around all gains."""
    low, high = min(0.0, *gains), max(0.0, *gains)
    rough = (high - low) / 4 or 1.0
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [step * n for n in range(first, max(last, first + 1) + 1)]


def _lines(levels: list[float]) -> str:
    return "".join(
        f'<li style="--y:{_share(level, levels):.4f}"><span>{_signed(f"{level:g}")}</span></li>' for level in levels
    )


def _signed(number: str) -> str:
    return number.replace("-", "\N{MINUS SIGN}")


def _points(rows: list[Row], marks: list[Mark], levels: list[float]) -> str:
    """Render links to the days; the newest one is chosen, and the only one that the Tab key stops at."""
    days = [_day(row).toordinal() for row in rows]
    places = (
        f"--x:{_share(day, days):.4f};--y:{_share(row.gain, levels):.4f}" for row, day in zip(rows, days, strict=True)
    )
    return "".join(
        f'<li><a class="{_css(mark)}" style="{place}" href="#{row.day}" tabindex="{0 if row is rows[-1] else -1}" '
        f'aria-label="{_name(row, mark)}"></a></li>'
        for row, mark, place in zip(rows, marks, places, strict=True)
    )


def _name(row: Row, mark: Mark) -> str:
    title = textwrap.shorten(row.title, _LONGEST_TITLE, placeholder="…")
    remark = "" if mark is Mark.USUAL else f", {mark}"
    return html.escape(f"{long_date(_day(row))}: {title}, {_signed(f'{row.gain:.2f}')} dB{remark}")


def _dates(rows: list[Row]) -> str:
    """Render dates at even distances."""
    first, last = _day(rows[0]), _day(rows[-1])
    count = min(_TICKS, (last - first).days + 1)
    days = [first + (last - first) * n // max(count - 1, 1) for n in range(count)]
    ordinals = [day.toordinal() for day in days]
    year = first.year if first.year == last.year else None
    return "".join(
        f'<li style="--x:{_share(day.toordinal(), ordinals):.4f}">{short_date(day, year)}</li>' for day in days
    )


def _day(row: Row) -> dt.date:
    return dt.date.fromisoformat(row.day)


def _share(value: float, scale: Sequence[float]) -> float:
    """Return the place of a value on a rising scale, 0 to 1; the middle if it has no length."""
    length = scale[-1] - scale[0]
    return (value - scale[0]) / length if length else 0.5


def _css(mark: Mark) -> str:
    return mark.name.lower()
