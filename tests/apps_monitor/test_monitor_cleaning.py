"""Sanitising of hostile texts from NASA: safe, limited in length, and fast."""

import datetime as dt
import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.monitor import cleaning, page
from apps.monitor.apod import FIRST_DAY, Client, Entry, MalformedError, bounded
from apps.monitor.cache import Finished
from apps.monitor.fetch import Fetcher
from apps.monitor.monitor import Monitor, View
from apps.serving.viewer.comparison import Comparison
from support.nasa import Nasa

REPEATED = [
    *("<p ", "<", "<!--", "<b>", "<a href='x'>", "<div>", "<b><i>", "<table><td>", "&", "&#9", "<svg>", "<math><mi>"),
    *("<br ", " <br> ", "<![CDATA[", "<a x='\"", "</p", "<template>", "\0", " "),
]
LINKS = [
    *(
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "java\nscript:alert(1)",
        " javascript:alert(1)",
        "data:text/html,x",
    ),
    *(
        "vbscript:x",
        "file:///etc/passwd",
        "//",
        "https://",
        "https:///x",
        "https://[",
        "ftp://nasa.gov/a",
        False,
        7,
        None,
    ),
    "https://nasa.gov/" + "a" * 3000,
]
MARKUP = [
    *("<a href=", "'", '"', ">", "https://a.b/", "javascript:", "<br><br>", "<p>", "&lt;", "<script>", "onclick="),
    *("</a>", "<p", "/"),
]


COMPARISON = Comparison(size=(1, 1), doubled_size=(2, 2), suffix=".jpg", transparent=False, spot=(0.5, 0.5))


class Tags(HTMLParser):
    """HTML parser that collects tags and attributes, as a browser would."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def finished(**fields: object) -> Finished:
    entry = Entry.model_validate({"date": "2026-11-23"} | fields)
    return Finished(entry=entry, source="a", doubled="b", source_size=(1, 1), doubled_size=(2, 2), seconds=1,
                    model="m", revision="r", comparison=COMPARISON)  # fmt: skip


@pytest.mark.parametrize("piece", REPEATED)
def test_hostile_text_is_cleaned_in_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    names = ("title", "explanation", "credit", "copyright", "basic_html", "permalink", "url", "hdurl")
    started = time.monotonic()
    shown = finished(**dict.fromkeys(names, text))
    page.heading(shown), page.about(shown)
    assert shown.entry.lack
    assert time.monotonic() - started < 3


def test_an_explanation_of_open_tags_takes_milliseconds() -> None:
    shown = finished(explanation="<p " * 83_000)
    started = time.monotonic()
    page.about(shown)
    assert time.monotonic() - started < 1


def test_a_hostile_record_in_the_cache_is_truncated() -> None:
    record = finished().model_dump_json().replace('"explanation":""', f'"explanation":"{"<p " * 83_000}"')
    assert len(Finished.model_validate_json(record).entry.explanation) == 20_000


@pytest.mark.parametrize(
    ("length", "said"), [(1, "1 kB"), (99_499, "99 kB"), (100_000, "0.1 MB"), (12_345_678, "12.3 MB")]
)
def test_small_files_have_their_size_said_in_kilobytes(tmp_path: Path, length: int, said: str) -> None:
    with (tmp_path / "b").open("wb") as file:
        file.truncate(length)
    assert f"Download 2 × 2, {said}</a>" in page.result(finished().model_copy(update={"folder": tmp_path}))


def test_long_texts_are_truncated() -> None:
    entry = finished(title="é" * 100_000, explanation="word " * 100_000, basic_html="x" * 8_000_000).entry
    assert (len(entry.title), len(entry.explanation), len(entry.basic_html)) == (2000, 20_000, 50_000)


@pytest.mark.parametrize("link", LINKS)
def test_only_web_links_are_kept(link: object) -> None:
    markup = f"<a href=\"{link}\">a</a><a href='{link}'>a</a><a href={link}>a</a>"
    shown = finished(permalink=link, url=link, credit=markup, explanation=markup)
    video = cleaning.embedded(f'<iframe src="{link}"></iframe>')
    addresses = [attributes.get("href") for _, attributes in Tags(page.about(shown)).found]
    for address in filter(None, [*addresses, video]):
        parts = urlsplit(address)
        assert parts.scheme in ("http", "https") and parts.hostname


@settings(max_examples=200)
@given(st.lists(st.one_of(st.text(), st.sampled_from(MARKUP))))
def test_no_tags_but_links_are_kept(pieces: list[str]) -> None:
    markup = "".join(pieces)
    for cleaned in (cleaning.links(markup), cleaning.explanation(markup)):
        for tag, attributes in Tags(cleaned).found:
            assert tag == "a"
            assert (attributes.pop("rel"), attributes.pop("target")) == ("noopener noreferrer", "_blank")
            assert set(attributes) <= {"href"}
            assert (attributes.get("href") or "https:").startswith(("http:", "https:"))
        assert cleaned.count("<a") == cleaned.count("</a>")
    assert "<" not in page.sentence(cleaning.text(markup))[len("<p>") : -len("</p>")]


@settings(max_examples=200)
@given(st.text())
def test_quotes_in_addresses_are_escaped(path: str) -> None:
    shown = Tags(page.link(cleaning.web_address(f'https://a.b/"onclick="alert(1){path}'), "x")).found
    assert all(set(attributes) <= {"href", "target", "rel"} for _, attributes in shown)


def test_the_first_video_of_a_page_is_found() -> None:
    page_of_a_day = "<p><video><source src='https://a.b/1.mp4'></video><iframe src='https://a.b/2'></iframe>"
    assert cleaning.embedded(page_of_a_day) == "https://a.b/1.mp4"


@pytest.mark.parametrize(
    "answer",
    [
        b"[" * 1_000_000,
        b'[{"a":' * 100_000,
        b"[" + b"9" * 1_000_000 + b"]",
        b'[{"date": NaN}]',
        b'[{"date": 1e999}]',
        b'[{"date": 86400}]',
        b'[{"date": "9999999-12-31"}]',
        b'[{"date": "0001-01-01"}]',
        b'[{"date": "1995-06-15"}]',
        b'[{"date": "2026-11-23", "title": "\\ud800"}]',
        b"\xff\xfe[",
        b"null",
    ],
    ids=lambda answer: repr(answer[:30]),
)
def test_a_hostile_list_gets_an_error_message(interface: str, nasa: Nasa, answer: bytes) -> None:
    nasa.failing = answer
    client = Client(interface, Fetcher(interface))
    with pytest.raises(MalformedError):
        client.newest()


def test_an_unknown_media_type_shows_the_day_before(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add("2026-11-23", media_type="hologram")
    nasa.add("2026-11-22")
    *_, view = monitor.show(dt.date(2026, 11, 23))
    assert isinstance(view, View) and view.finished and view.finished.entry.date == dt.date(2026, 11, 22)
    assert "is an interactive page" in view.note


def test_a_day_in_the_future_is_not_shown_as_today(monitor: Monitor, nasa: Nasa) -> None:
    nasa.add("2026-11-23")
    nasa.add("9999-12-31")
    *_, view = monitor.look()
    assert isinstance(view, View) and view.finished and view.finished.entry.date == dt.date(2026, 11, 23)


def test_a_check_gives_up_after_ten_broken_pictures(monitor: Monitor, nasa: Nasa) -> None:
    for ago in range(20):
        nasa.add(str(dt.date(2026, 11, 23) - dt.timedelta(ago)), file=b"broken")
    *_, view = monitor.look()
    assert isinstance(view, View) and "10 days in a row" in view.note
    assert nasa.pictures_asked_for() == 10


@settings(max_examples=300)
@given(st.text(max_size=30), st.one_of(st.text(max_size=400), st.integers().map(str)), st.integers().map(str))
def test_picture_addresses_are_reduced_or_unchanged(path: str, wide: str, high: str) -> None:
    address = cleaning.web_address(f"https://nasa.gov/{path}?w={wide}&h={high}")
    assert cleaning.web_address(bounded(address, 16_000_000)) or not address


@pytest.mark.parametrize("side", ["9" * 400, "\N{SUPERSCRIPT TWO}", "-5", "1e9"])
def test_a_malformed_picture_size_is_unchanged(side: str) -> None:
    address = f"https://assets.science.nasa.gov/a.png?w={side}&h={side}"
    assert bounded(address, 100) == address


def test_the_first_day_is_one() -> None:
    assert Entry.model_validate({"date": str(FIRST_DAY)}).date == FIRST_DAY
