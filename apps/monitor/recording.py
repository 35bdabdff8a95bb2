"""Measures what was doubled and writes it down, here and on the Hub."""

import datetime as dt
import logging

from apps.monitor import cleaning, pictures
from apps.monitor.apod import Entry
from apps.monitor.cache import Finished
from apps.monitor.history import History, Row
from apps.monitor.measure import measure
from apps.monitor.mirror import Mirror, MirrorError
from upscaler import Upscaler
from upscaler.pixels import Pixels

log = logging.getLogger(__name__)


class Recorder:
    """Adds days to the history, each once for a model."""

    def __init__(self, upscaler: Upscaler, history: History, mirror: Mirror | None) -> None:
        self._upscaler = upscaler
        self.history = history
        self._mirror = mirror
        self._is_mirrored = mirror is None

    @property
    def revision(self) -> str:
        """The model's revision, by which rows are told apart."""
        return self._upscaler.model.revision

    def record(self, finished: Finished) -> None:
        """Measure a finished day unless that was done before. Raises MetricError if it cannot be measured."""
        if finished.entry.date not in self.history.done(self.revision):
            self.add(finished.entry, pictures.read(finished.source_path))

    def add(self, entry: Entry, picture: Pixels) -> Row:
        """Measure the model on a day's picture, HW3 uint8, and write it down here."""
        row = self._row(entry, picture)
        self.history.add([row])
        self._is_mirrored = self._mirror is None
        return row

    def exchange(self) -> None:
        """Exchange rows with the copy on the Hub, if there is one and it may lack some.

        A failure there is told, costs nothing here, and is made good by the next exchange.
        """
        if self._mirror and not self._is_mirrored:
            try:
                self._mirror.exchange(self.history)
                self._is_mirrored = True
            except MirrorError as error:
                log.warning("%s", error)

    def _row(self, entry: Entry, picture: Pixels) -> Row:
        measured = measure(self._upscaler, picture)
        return Row(
            day=str(entry.date),
            revision=self.revision,
            model=self._upscaler.model.name,
            title=cleaning.text(entry.title),
            width=picture.shape[1],
            height=picture.shape[0],
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
