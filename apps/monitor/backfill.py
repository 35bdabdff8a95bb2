"""Fills the history for the days that are past: each picture is fetched, measured and thrown away."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path

from apps.monitor.addresses import RefusedError
from apps.monitor.apod import FIRST_DAY, LIST_LENGTH, Client, Entry
from apps.monitor.doubling import worker_of
from apps.monitor.fetch import NotThereError
from apps.monitor.history import History, Row
from apps.monitor.hub_history import HubHistory
from apps.monitor.recording import Recorder
from apps.monitor.settings import Settings
from apps.serving.worker import JobRefusedError, WorkerError
from upscaler.model import find


def run(settings: Settings, days: int) -> None:
    """Measure the last `days` days that the history lacks, with a line for each.

    Raises ModelError, HistoryError, or UnavailableError where NASA does not answer; what was measured stays.
    """
    hub_history = HubHistory(settings.history_repo) if settings.history_repo else None
    model = find.model_or_fast(settings.model)
    with worker_of(model, settings.serving.job_limits) as worker:
        recorder = Recorder(worker, model, History(settings.history), hub_history)
        for line in backfill(Client(settings.apod_url), recorder, days, dt.datetime.now(dt.UTC).date()):
            print(line, flush=True)


def backfill(client: Client, recorder: Recorder, days: int, today: dt.date) -> Iterator[str]:
    """Measure each of the last `days` days that has a picture and is not measured yet; yields a line for each.

    Raises what `Client.span` raises.
    """
    recorder.exchange()  # on a new disk the copy on the Hub knows which days are measured
    try:
        for entry in _entries(client, max(today - dt.timedelta(days - 1), FIRST_DAY), today):
            if entry.date not in recorder.history.done(recorder.revision):
                yield f"{entry.date}: {_measured(client, recorder, entry)}"
    finally:
        recorder.exchange()


def _entries(client: Client, first: dt.date, last: dt.date) -> Iterator[Entry]:
    """The entries from `last` back to `first`, asked for by as many days as one answer lists."""
    while last >= first:
        start = max(last - dt.timedelta(LIST_LENGTH - 1), first)
        yield from client.span(start, last)
        last = start - dt.timedelta(1)


def _measured(client: Client, recorder: Recorder, entry: Entry) -> str:
    """Measure one day, and say what came of it."""
    if entry.lack:
        return f"left out, it {entry.lack}"
    try:
        row = _added(client, recorder, entry)
    except (JobRefusedError, WorkerError, NotThereError, RefusedError) as error:
        return f"left out: it {error}" if isinstance(error, WorkerError) else f"left out: {error}"
    return f"{row.gain:+.2f} dB over bicubic"


def _added(client: Client, recorder: Recorder, entry: Entry) -> Row:
    """Measure a day's picture and write it down; its file is gone when this returns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / str(entry.date)
        path.write_bytes(client.picture(entry))
        return recorder.add(entry, path)
