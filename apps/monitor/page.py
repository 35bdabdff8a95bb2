"""HTML fragments, chart and theme of the monitor's page."""

import datetime as dt
import html
from typing import Any
from urllib.parse import quote

import altair

from apps.monitor import cleaning, outliers, pictures
from apps.monitor.cache import Finished
from apps.monitor.history import Row
from apps.monitor.outliers import Mark
from apps.serving.look import note

GREY, GRID = "#7a7f8a", "#80808040"  # legible on white and on black
COLOURS = {Mark.USUAL: "#6366f1", Mark.FAR: "#d97706", Mark.WORSE: "#dc2626"}


def notes(sentence: str, reason: str, video: str) -> str:
    """Render a status sentence, the reason for showing another day, and a video's link; each may be empty."""
    return note(sentence) + note(reason) + video


def link(address: str | None, text: str) -> str:
    """Render a link that opens in a new tab; "" without an address."""
    if not address:
        return ""
    return f'<p><a href="{html.escape(address)}" target="_blank" rel="noopener noreferrer">{text}</a></p>'


def about(finished: Finished) -> str:
    """Render title, date, credit, explanation, a link to the article, and the facts of upscaling."""
    entry = finished.entry
    credit = cleaning.links(entry.credit or entry.copyright)
    return (
        f"<h2>{html.escape(cleaning.text(entry.title))}</h2>"
        f"<p>{entry.date:%A}, {entry.date.day} {entry.date:%B %Y}{' · ' + credit if credit else ''}</p>"
        f"<p>{cleaning.explanation(entry.explanation)}</p>"
        + link(entry.article, "NASA's article")
        + f'<p class="facts">{html.escape(facts(finished))}</p>'
    )


def loupe(finished: Finished) -> str:
    """Render the loupe, a full-resolution detail before and after; page.js assembles it from the detail squares."""
    wide, high = finished.doubled_size
    squares = f"gradio_api/file={quote(str(finished.folder))}"
    return (
        f'<div class="loupe" data-squares="{squares}" data-side="{pictures.DETAIL}" data-wide="{wide}"'
        f' data-high="{high}"><p><strong>Look closer:</strong> click a place in the picture above, or move these.</p>'
        f'<p class="place">{_range("across")}{_range("down")}</p>'
        f'<div class="panes">{_pane("before", "Before (bicubic)")}{_pane("after", "After")}</div></div>'
    )


def _range(name: str) -> str:
    return f'<label>{name.capitalize()} <input type="range" name="{name}" min="0" max="100" step="0.25"></label>'


def _pane(name: str, caption: str) -> str:
    return (
        f'<figure><div class="pane" data-name="{name}" role="img" aria-label="{caption}, at full resolution"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def facts(finished: Finished) -> str:
    """Summarise sizes, seconds, model and revision in one line."""
    (width, height), (wide, high) = finished.source_size, finished.doubled_size
    return (
        f"{width}x{height} to {wide}x{high} in {finished.seconds:.1f} s, model {finished.model} ({finished.revision})"
    )


def download_label(finished: Finished) -> str:
    """Return the label of the download button."""
    wide, high = finished.doubled_size
    return f"Download {wide}x{high}, {finished.doubled_path.stat().st_size / 1e6:.1f} MB"


def test_gain(measured: dict[str, Any]) -> float | None:
    """Return the model's gain over bicubic interpolation on its test set in dB, if its metrics.json has one."""
    if "test" not in measured.get("tests", {}):
        return None
    test = measured["tests"]["test"]
    psnr = {row["name"]: row["score"]["psnr_y"] for row in test["rows"]}
    return float(psnr[test["model"]] - psnr["bicubic"])


def _day_axis(rows: list[Row]) -> altair.Axis:
    """Return an axis with about ten ticks, at the starts of days; the default shows hours if there are few days."""
    days = (dt.date.fromisoformat(rows[-1].day) - dt.date.fromisoformat(rows[0].day)).days if rows else 0
    every = altair.TimeIntervalStep(interval="day", step=1 + days // 10)
    return altair.Axis(format="%-d %b", tickCount=every, labelOverlap=True, title=None)


def plot(rows: list[Row], tested: float | None) -> altair.LayerChart:
    """Plot the gain over bicubic interpolation by day, with outliers marked, and the test set's gain as a line."""
    days = [
        {"day": row.day, "gain": round(row.gain, 3), "mark": str(mark), "title": row.title}
        for row, mark in zip(rows, outliers.marks(rows), strict=True)
    ]
    marks, colours = [str(mark) for mark in COLOURS], list(COLOURS.values())
    data = altair.Data(values=days)  # type: ignore[no-untyped-call]
    points = (
        altair.Chart(data)
        .mark_circle(size=70, opacity=0.9)
        .encode(
            x=altair.X("day:T", axis=_day_axis(rows), scale=altair.Scale(padding=12)),
            y=altair.Y("gain:Q", title="gain over bicubic, dB"),
            color=altair.Color(
                "mark:N",
                title=None,
                scale=altair.Scale(domain=marks, range=colours),
                legend=altair.Legend(orient="bottom"),
            ),
            tooltip=["day:T", "title:N", "gain:Q", "mark:N"],
        )
    )
    line = altair.Data(values=[] if tested is None else [{"gain": tested}])  # type: ignore[no-untyped-call]
    rule = altair.Chart(line).mark_rule(strokeDash=[6, 4], color=GREY).encode(y="gain:Q")
    chart: altair.LayerChart = (
        altair.layer(points, rule)
        .properties(width="container", height=260, background="transparent")
        .configure_axis(labelColor=GREY, titleColor=GREY, gridColor=GRID, domainColor=GRID, tickColor=GRID)
        .configure_view(stroke=GRID)
        .configure_legend(labelColor=GREY)
    )
    return chart
