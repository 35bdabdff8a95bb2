"""Backfill of the history: downloads, measures and deletes the pictures of past days."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from pathlib import Path

from apps.monitor.addresses import RefusedError
from apps.monitor.apod import FIRST_DAY, Client, Entry
from apps.monitor.days import nasa_day
from apps.monitor.doubling import worker_of
from apps.monitor.errors import ApodError
from apps.monitor.fetch import NotThereError, UnavailableError
from apps.monitor.history import History, Row
from apps.monitor.hub_history import HubHistory
from apps.monitor.recording import Recorder
from apps.monitor.settings import Settings
from apps.serving.worker import JobRefusedError, WorkerError
from upscaler.model import find


def run(settings: Settings, days: int) -> None:
    """Measure those of the last `days` days that are missing in the history, printing a line for each.

    Raises ModelError, HistoryError, or ApodError if NASA does not respond; rows measured before that are kept.
    """
    hub_history = HubHistory(settings.history_repo) if settings.history_repo else None
    model = find.model_or_fast(settings.model)
    with worker_of(model, settings.serving.job_limits) as worker:
        recorder = Recorder(worker, model, History(settings.history), hub_history)
        try:
            for line in backfill(Client(settings.apod_url), recorder, days, nasa_day()):
                print(line, flush=True)
        except UnavailableError as error:
            raise ApodError(f"{error}; run the same command again later, and it continues") from error


def backfill(client: Client, recorder: Recorder, days: int, today: dt.date) -> Iterator[str]:
    """Measure each of the last `days` days with a picture that is not in the history, yielding a line for each.

    Raises the errors of `Client.span`.
    """
    recorder.exchange()  # on a new disk, only the copy on the Hub has the measured days
    try:
        for entry in client.backwards(first_day(days, today), today):
            if entry.date not in recorder.history.done(recorder.revision):
                yield f"{entry.date}: {_measure_day(client, recorder, entry)}"
    finally:
        recorder.exchange()


def first_day(days: int, today: dt.date) -> dt.date:
    """Return the first of the last `days` days, or of all that have a picture."""
    return today - dt.timedelta(min(days - 1, (today - FIRST_DAY).days))


def _measure_day(client: Client, recorder: Recorder, entry: Entry) -> str:
    """Measure one day and describe the result."""
    if entry.lack:
        return f"skipped: it {entry.lack}"
    try:
        row = _measure_picture(client, recorder, entry)
    except (JobRefusedError, WorkerError, NotThereError, RefusedError) as error:
        return f"skipped: it {error}" if isinstance(error, WorkerError) else f"skipped: {error}"
    return f"{row.gain:+.2f} dB over bicubic"


def _measure_picture(client: Client, recorder: Recorder, entry: Entry) -> Row:
    """Download and measure a day's picture, and delete its file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / str(entry.date)
        path.write_bytes(client.picture(entry))
        return recorder.add(entry, path)
