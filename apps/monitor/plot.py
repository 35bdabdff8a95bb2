"""Chart of the model's quality by day; each point leads to its day."""

import datetime as dt
from typing import Any

import altair

from apps.monitor import outliers
from apps.monitor.history import Row
from apps.monitor.outliers import Mark

COLOURS = {Mark.USUAL: "#6366f1", Mark.FAR: "#d97706", Mark.WORSE: "#dc2626"}
_GREY, _GRID = "#7a7f8a", "#80808040"  # legible on white and on black
_HEADING = "<h2>How much closer to the true picture than bicubic interpolation, each day</h2>"
_EXPLANATION = (
    "Each day's picture is shrunk to half its size, then enlarged again by the model and by bicubic interpolation. "
    "A point at 3 dB means: the model's squared error is half as large. Choose a point to see its day."
)
_TESTED = " The dashed line is the mean of the model's test pictures."
_EMPTY = "No day has been measured yet. The first point appears here soon after the first picture."


def about(rows: list[Row], tested: float | None) -> str:
    """Render what the chart of `plot` shows, or why it is missing, in plain words."""
    if not rows:
        return f"{_HEADING}<p>{_EMPTY}</p>"
    return f"{_HEADING}<p>{_EXPLANATION}{'' if tested is None else _TESTED}</p>{_legend(rows)}"


def plot(rows: list[Row], tested: float | None) -> altair.LayerChart:
    """Plot the gain over bicubic interpolation by day, with outliers marked, and the test set's gain as a line."""
    days = [
        {"day": row.day, "gain": round(row.gain, 3), "mark": str(mark), "title": row.title, "address": f"#{row.day}"}
        for row, mark in zip(rows, outliers.marks(rows), strict=True)
    ]
    marks, colours = [str(mark) for mark in COLOURS], list(COLOURS.values())
    data = altair.Data(values=days)  # type: ignore[no-untyped-call]
    points = (
        altair.Chart(data)
        .mark_circle(size=70, opacity=0.9, cursor="pointer")
        .encode(
            x=altair.X("day:T", axis=_day_axis(rows), scale=altair.Scale(padding=12)),
            y=altair.Y("gain:Q", title="dB closer than bicubic"),
            color=altair.Color("mark:N", scale=altair.Scale(domain=marks, range=colours), legend=None),
            tooltip=["day:T", "title:N", "gain:Q", "mark:N"],
            href="address:N",
        )
    )
    line = altair.Data(values=[] if tested is None else [{"gain": tested}])  # type: ignore[no-untyped-call]
    rule = altair.Chart(line).mark_rule(strokeDash=[6, 4], color=_GREY).encode(y="gain:Q")
    chart: altair.LayerChart = (
        altair.layer(points, rule)
        .properties(width="container", height=260, background="transparent")
        .configure_axis(labelColor=_GREY, titleColor=_GREY, gridColor=_GRID, domainColor=_GRID, tickColor=_GRID)
        .configure_view(stroke=_GRID)
    )
    return chart


def test_gain(measured: dict[str, Any]) -> float | None:
    """Return the model's gain over bicubic interpolation on its test set in dB, if its metrics.json has one."""
    if "test" not in measured.get("tests", {}):
        return None
    test = measured["tests"]["test"]
    psnr = {row["name"]: row["score"]["psnr_y"] for row in test["rows"]}
    return float(psnr[test["model"]] - psnr["bicubic"])


def _legend(rows: list[Row]) -> str:
    """Render a legend of the marks that occur; unlike the chart's own, it wraps on a phone."""
    occurring = set(outliers.marks(rows))
    items = (
        f'<li><span style="background:{colour}"></span>{mark}</li>'
        for mark, colour in COLOURS.items()
        if mark in occurring
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _day_axis(rows: list[Row]) -> altair.Axis:
    """Return an axis with about ten ticks, at the starts of days; the default shows hours if there are few days."""
    days = (dt.date.fromisoformat(rows[-1].day) - dt.date.fromisoformat(rows[0].day)).days if rows else 0
    every = altair.TimeIntervalStep(interval="day", step=1 + days // 10)
    return altair.Axis(
        format="%-d %b", tickCount=every, labelOverlap="greedy", labelSeparation=8, labelBound=True, title=None
    )
