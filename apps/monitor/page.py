"""HTML fragments of the monitor's page."""

import datetime as dt
import html
from pathlib import Path
from urllib.parse import quote

from apps.monitor import cleaning
from apps.monitor.apod import FIRST_DAY
from apps.monitor.cache import Finished
from apps.monitor.days import long_date, short_date
from apps.serving.viewer.markup import markup

NAVIGATION = (Path(__file__).parent / "navigation.html").read_text(encoding="utf-8")
ASKING = '<p class="asking">Asking NASA…</p>'  # page.js adds the seconds
NEWEST = '<p><a href="#">Show it</a></p>'


def sentence(text: str) -> str:
    """Render a sentence of the status line, which page.js tells screen readers; nothing for an empty one."""
    return f"<p>{html.escape(text)}</p>" if text else ""


def progress(text: str, share: float) -> str:
    """Render a sentence and a progress bar. share: of the work that is done, 0 to 1."""
    return f'{sentence(text)}<progress aria-label="Share done" max="1" value="{share:.3f}"></progress>'


def link(address: str | None, text: str) -> str:
    """Render a link that opens in a new tab; "" without an address."""
    if not address:
        return ""
    return f'<p><a href="{html.escape(address)}" target="_blank" rel="noopener noreferrer">{text}</a></p>'


def heading(finished: Finished) -> str:
    """Render title, date, which is the day's permanent link, and credit."""
    entry = finished.entry
    credit = cleaning.links(entry.credit or entry.copyright)
    return (
        f"<h2>{html.escape(_title(finished))}</h2>"
        f'<p><a href="#{entry.date}" title="Link to this day"><time datetime="{entry.date}">'
        f"{entry.date:%A}, {long_date(entry.date)}</time></a>{' · ' + credit if credit else ''}</p>"
    )


def viewer(finished: Finished) -> str:
    """Render the comparison of the day's picture before and after upscaling."""
    return markup(finished.comparison, _address(finished.tiles_path))


def about(finished: Finished) -> str:
    """Render explanation, a link to the article, and the facts of upscaling."""
    entry = finished.entry
    return (
        f"<p>{cleaning.explanation(entry.explanation)}</p>"
        + link(entry.article, "NASA's article")
        + f'<p class="facts">{html.escape(facts(finished))}</p>'
    )


def facts(finished: Finished) -> str:
    """Summarise sizes, seconds, model and revision in one line."""
    return (
        f"{_by(finished.source_size)} to {_by(finished.doubled_size)} pixels in {finished.seconds:.1f} s, "
        f"model {finished.model} ({finished.revision})"
    )


def result(finished: Finished) -> str:
    """Render a link that saves the upscaled picture."""
    size = finished.doubled_path.stat().st_size
    length = f"{size / 1e6:.1f} MB" if size >= 1e5 else f"{max(round(size / 1e3), 1)} kB"
    return download(finished.doubled_path, f"Download {_by(finished.doubled_size)}, {length}")


def download(path: Path, text: str) -> str:
    """Render a link that saves a file."""
    return f'<p><a class="button" href="{_address(path)}" download>{text}</a></p>'


def strip(recent: list[Finished], shown: dt.date | None, today: dt.date) -> str:
    """Render the finished days as links, newest first, and in its attributes the days that the navigation leads to.

    shown: the day whose picture is on the page, if any. today: the last day that can be asked for.
    """
    newest = recent[0].entry.date if recent else None
    previous = shown - dt.timedelta(1) if shown and shown > FIRST_DAY else ""
    later = f"after-{shown}" if shown and newest and shown < newest else ""
    days = f'data-shown="{shown or ""}" data-previous="{previous}" data-next="{later}" data-today="{today}"'
    if not recent:
        return f'<div class="days" {days}><p>Each picture that is done gets its place here.</p></div>'
    items = "".join(_thumbnail(finished, finished.entry.date == shown, today.year) for finished in recent)
    return f'<nav class="days" aria-label="Days done lately" {days}><ul>{items}</ul></nav>'


def _thumbnail(finished: Finished, is_shown: bool, year: int) -> str:
    day = finished.entry.date
    current = ' aria-current="true"' if is_shown else ""
    name = html.escape(f"{long_date(day)}: {_title(finished)}")
    return (
        f'<li><a href="#{day}"{current}><img src="{_address(finished.thumbnail_path)}" alt="{name}" title="{name}">'
        f'<span aria-hidden="true">{short_date(day, year)}</span></a></li>'
    )


def _title(finished: Finished) -> str:
    return cleaning.text(finished.entry.title) or "Without a title"


def _address(path: Path) -> str:
    return f"gradio_api/file={quote(str(path))}"


def _by(size: tuple[int, int]) -> str:
    return "{} × {}".format(*size)
