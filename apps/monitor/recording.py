"""Measurement of upscaled days, recorded in the history and its copy on the Hub."""

import datetime as dt
import logging
from pathlib import Path
from typing import Protocol, cast

from pydantic import BaseModel, ConfigDict, PositiveInt

from apps.monitor import cleaning
from apps.monitor.apod import Entry
from apps.monitor.cache import Finished
from apps.monitor.doubling import limits_of
from apps.monitor.history import History, Row
from apps.monitor.hub_history import HubHistoryError, HubHistoryMissingError
from apps.monitor.measure import Measurement
from apps.serving.worker import Worker
from upscaler.model.artifact import Artifact

log = logging.getLogger(__name__)


class _Result(BaseModel):
    """Result of the worker: size of the whole picture, and the measurement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: PositiveInt
    height: PositiveInt
    measured: Measurement


class HistoryCopy(Protocol):
    """Copy of the history on the Hub: a `HubHistory`, or the writer process that holds one."""

    def exchange(self, here: History) -> None:
        """Exchange rows with the history `here`. Raises HubHistoryError."""


class Recorder:
    """Recorder of measurements, one per day and model."""

    def __init__(self, worker: Worker, model: Artifact, history: History, copy: HistoryCopy | None) -> None:
        self._worker = worker
        self._model = model
        self.history = history
        self._copy = copy
        self._is_copied = copy is None

    @property
    def revision(self) -> str:
        """Revision of the model, which identifies its rows."""
        return self._model.revision

    def record(self, finished: Finished) -> None:
        """Measure a finished day unless it is in the history. Raises the errors of `add`."""
        if finished.entry.date not in self.history.done(self.revision):
            self.add(finished.entry, finished.source_path)

    def add(self, entry: Entry, picture: Path) -> Row:
        """Measure the model on a day's picture file and add the row to the history.

        Raises JobRefusedError or WorkerError if the measurement fails, HistoryError if the row cannot be written.
        """
        *_, result = self._worker.run("measure", {"file": str(picture), "limits": limits_of(self._worker)}, _Result)
        row = self._row(entry, cast(_Result, result))
        self.history.add([row])
        self._is_copied = self._copy is None
        return row

    def exchange(self) -> None:
        """Exchange rows with the copy on the Hub, if there is one and it may be out of date.

        A failure is logged, and the next exchange catches up; after HubHistoryMissingError there is no further one,
        because only a restart restores the token.
        """
        if (copy := self._copy) and not self._is_copied:
            self._is_copied = True  # before the exchange: a row added during it resets this
            try:
                copy.exchange(self.history)
            except HubHistoryMissingError as error:
                log.error("%s", error)
                self._copy = None
            except HubHistoryError as error:
                log.warning("%s", error)
                self._is_copied = False

    def _row(self, entry: Entry, result: _Result) -> Row:
        measured = result.measured
        return Row(
            day=str(entry.date),
            revision=self.revision,
            model=self._model.name,
            title=cleaning.text(entry.title),
            width=result.width,
            height=result.height,
            measured_width=measured.width,
            measured_height=measured.height,
            psnr=measured.psnr,
            ssim=measured.ssim,
            bicubic_psnr=measured.bicubic_psnr,
            bicubic_ssim=measured.bicubic_ssim,
            gain=measured.gain,
            seconds=measured.seconds,
            measured_at=f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
        )
