"""Client of the API of NASA's Astronomy Picture of the Day, in its form since September 2026.

https://science.nasa.gov/wp-json/wp/v2/apod-basic; the old API, api.nasa.gov/planetary/apod, returns a logo.
"""

import datetime as dt
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, TypeVar, get_args
from urllib.parse import parse_qsl, urlencode, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from apps.monitor import cleaning
from apps.monitor.errors import ApodError
from apps.monitor.fetch import Fetcher, NotThereError

FIRST_DAY = dt.date(1995, 6, 16)
LIST_LENGTH = 25  # the API's maximum number of days per list
MOST_DAYS = 365  # searched for one with a picture
MOST_JSON = 8_000_000  # bytes; 25 entries with their pages have far fewer
MOST_PICTURE = 120_000_000  # bytes
LONGEST_SIDE = 6  # digits of a picture's width or height
MOST_REQUESTED = 16_000_000  # pixels; larger pictures are requested at a reduced size: upscaling makes four of each


class MalformedError(ApodError):
    """Error for a response from NASA that does not match the request."""


T = TypeVar("T")
MediaType = Literal["image", "video", "iframe", "other", ""]


def _at_most(characters: int) -> BeforeValidator:
    """Truncate a text; the API sends false for a missing one."""
    return BeforeValidator(lambda value: value[:characters] if isinstance(value, str) else "")


def _media_type(value: object) -> object:
    return value if value in get_args(MediaType) else "other" if isinstance(value, str) else ""


def _only_text(value: object) -> object:
    if not isinstance(value, (str, dt.date)):
        raise ValueError("a number is not a date")
    return value


Day = Annotated[dt.date, BeforeValidator(_only_text), Field(ge=FIRST_DAY)]
Text = Annotated[str, _at_most(2000)]
Explanation = Annotated[str, _at_most(20_000)]
Page = Annotated[str, _at_most(50_000)]  # nh3 takes 0.2 s for this length of nested tags, but 3 s for 200 kB
Address = Annotated[str, BeforeValidator(cleaning.web_address)]


class Entry(BaseModel):
    """One day's entry of the API. Fields longer than their limit are truncated.

    title, explanation, credit, copyright: HTML or empty. permalink, url: the article. hdurl: the picture, empty if not
    a web address. basic_html: the day's page, which embeds the video if there is one.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    date: Day
    title: Text = ""
    media_type: Annotated[MediaType, BeforeValidator(_media_type)] = ""
    explanation: Explanation = ""
    credit: Text = ""
    copyright: Text = ""
    permalink: Address = ""
    url: Address = ""
    hdurl: Address = ""
    basic_html: Page = ""

    @property
    def article(self) -> str:
        """Address of NASA's article."""
        return self.permalink or self.url

    @cached_property
    def video(self) -> str | None:
        """Address of the video or page that the day has instead of a picture."""
        return cleaning.embedded(self.basic_html)

    @property
    def lack(self) -> str:
        """Predicate for a day without a picture, such as "is a video"; empty if it has one."""
        parts = urlsplit(self.hdurl)
        untyped_video = not self.media_type and (self.video or {"w=0", "h=0"} <= set(parts.query.split("&")))
        if self.media_type == "video" or untyped_video:
            return "is a video"
        if self.media_type in ("iframe", "other"):
            return "is an interactive page"
        if not self.hdurl:
            return "has no picture"
        path = parts.path.lower()
        if "/images/misc/news-thumbnail." in path or path.endswith("/logo.png"):
            return "has only a placeholder, because NASA has not moved its picture yet"
        return ""


class Client:
    """API client for the newest days, one day, a span of days, and a day's picture."""

    def __init__(self, address: str, fetcher: Fetcher | None = None) -> None:
        """Set the API's `address`, without a trailing slash."""
        self._address = address
        self._fetcher = fetcher or Fetcher(address)

    def insist(self) -> None:
        """Ask NASA again although it has failed lately, unless it asked for a pause."""
        self._fetcher.end_back_off()

    def newest(self) -> list[Entry]:
        """Return the latest days with an entry, newest first, at most 25.

        Raises MalformedError and the errors of `Fetcher.get`.
        """
        entries = self._list({"page": "1", "per_page": str(LIST_LENGTH)})
        if not entries:
            raise MalformedError("NASA answered with a list without days")
        return entries

    def day(self, day: dt.date) -> Entry:
        """Return one day. Raises NotThereError if it has no entry, MalformedError, and the errors of `Fetcher.get`."""
        entry = _validated(Entry, self._get(f"/{day:%y%m%d}"), "the day's entry")
        if entry.date != day:
            raise MalformedError(f"NASA answered with {entry.date} to a request for {day}")
        return entry

    def span(self, first: dt.date, last: dt.date) -> list[Entry]:
        """Return the days from `first` to `last` inclusive with an entry, newest first; at most 25 days.

        Raises MalformedError and the errors of `Fetcher.get`.
        """
        try:
            entries = self._list({"date_from": f"{first:%y%m%d}", "date_to": f"{last:%y%m%d}"})
        except NotThereError:
            return []
        return [entry for entry in entries if first <= entry.date <= last]

    def before(self, day: dt.date) -> Iterator[Entry]:
        """Yield the days before `day` with an entry, newest first, up to a year back.

        Raises the errors of `span`.
        """
        return self.backwards(max(day - dt.timedelta(MOST_DAYS), FIRST_DAY), day - dt.timedelta(1))

    def backwards(self, first: dt.date, last: dt.date) -> Iterator[Entry]:
        """Yield the days from `last` back to `first` with an entry.

        Raises the errors of `span`.
        """
        for start, end in _spans(first, last):
            yield from self.span(start, end)

    def after(self, day: dt.date, last: dt.date) -> Iterator[Entry]:
        """Yield the days after `day` up to `last` with an entry, oldest first, up to a year on.

        Raises the errors of `span`.
        """
        last = min(last, day + dt.timedelta(MOST_DAYS))
        for start, end in reversed([*_spans(day + dt.timedelta(1), last)]):
            yield from reversed(self.span(start, end))

    def picture(self, entry: Entry) -> bytes:
        """Return the file of a day's picture, reduced by NASA's image service if it is too large.

        Raises the errors of `Fetcher.get`.
        """
        return self._fetcher.get(bounded(entry.hdurl, MOST_REQUESTED), MOST_PICTURE)

    def _list(self, query: dict[str, str]) -> list[Entry]:
        answer = self._get("?" + urlencode(query))
        items = _validated(list[Any], answer, "a list of days")
        by_day = {entry.date: entry for entry in _valid_entries(items)}
        return [by_day[day] for day in sorted(by_day, reverse=True)]

    def _get(self, rest: str) -> bytes:
        return self._fetcher.get(self._address + rest, MOST_JSON, remember=True)


def _spans(first: dt.date, last: dt.date) -> Iterator[tuple[dt.date, dt.date]]:
    """Cut the days from `first` to `last` into spans of the API's maximum length; yield the latest one first."""
    while last >= first:
        start = max(last - dt.timedelta(LIST_LENGTH - 1), first)
        yield start, last
        last = start - dt.timedelta(1)


def bounded(address: str, most_pixels: int) -> str:
    """Reduce `w` and `h` in an address of NASA's image service to at most `most_pixels` pixels."""
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    width, height = (_side(query.get(name, "")) for name in "wh")
    if width * height <= most_pixels:
        return address
    shrink = math.sqrt(most_pixels / (width * height))
    query |= {"w": str(max(int(width * shrink), 1)), "h": str(max(int(height * shrink), 1))}
    return parts._replace(query=urlencode(query)).geturl()


def _side(number: str) -> int:
    return int(number) if number.isdecimal() and len(number) <= LONGEST_SIDE else 0


def _valid_entries(items: list[Any]) -> Iterator[Entry]:
    """Yield the valid entries of a list; an invalid one must not hide the others."""
    for item in items[:LIST_LENGTH]:
        try:
            yield Entry.model_validate(item)
        except ValidationError:
            continue


def _validated(kind: type[T], answer: bytes, description: str) -> T:
    try:
        return TypeAdapter(kind).validate_json(answer)
    except ValidationError as error:
        raise MalformedError(f"NASA's answer is not {description}") from error
