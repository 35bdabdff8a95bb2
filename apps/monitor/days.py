"""Days of NASA's calendar."""

import datetime as dt
import time
from zoneinfo import ZoneInfo

_EASTERN = ZoneInfo("America/New_York")  # a day's picture is published at midnight in Washington


def nasa_day(moment: float | None = None) -> dt.date:
    """Return NASA's date at `moment`, in seconds since 1970; now by default."""
    return dt.datetime.fromtimestamp(time.time() if moment is None else moment, _EASTERN).date()


def long_date(day: dt.date) -> str:
    """Write a day in words, such as 27 November 2026."""
    return f"{day.day} {day:%B %Y}"


def short_date(day: dt.date, year: int | None) -> str:
    """Write a day, such as 27 Nov, followed by its year unless that is `year`; day and month stay on one line."""
    return f"{day.day}\N{NO-BREAK SPACE}{day:%b}" + (f" {day.year}" if day.year != year else "")
