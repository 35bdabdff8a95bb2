"""A day's picture fetched, doubled and laid out for the page, into one folder."""

import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from apps.monitor import cache, pictures
from apps.monitor.apod import Client, Entry
from apps.monitor.cache import Finished
from apps.monitor.pictures import BrokenPictureError
from upscaler import Options, PictureError, Progress, Upscaler, double_file

WRITTEN_AS = {".gif": ".png"}  # a doubled picture has more colours than a GIF


def double_day(client: Client, upscaler: Upscaler, entry: Entry, folder: Path) -> Iterator[Progress]:
    """Fill an empty folder with all that belongs to a finished day; the record comes last.

    Raises BrokenPictureError if the day's file is no still picture, or what `Client.picture` raises.
    """
    file = client.picture(entry)
    suffix = pictures.checked_suffix(file)
    source = folder / f"apod_{entry.date}{suffix}"
    doubled = folder / f"apod_{entry.date}_2x{WRITTEN_AS.get(suffix, suffix)}"
    source.write_bytes(file)
    started = time.monotonic()
    try:
        yield from double_file(upscaler, source, doubled, Options(max_pixels=pictures.MOST_PIXELS))
        seconds = time.monotonic() - started
        pictures.write_copies(folder, source, doubled)
    except PictureError as error:
        raise BrokenPictureError("has a picture that cannot be doubled") from error
    cache.write_record(folder, _finished(entry, source, doubled, seconds, upscaler))


def _finished(entry: Entry, source: Path, doubled: Path, seconds: float, upscaler: Upscaler) -> Finished:
    with Image.open(source) as before, Image.open(doubled) as after:
        return Finished(
            entry=entry,
            source=source.name,
            doubled=doubled.name,
            source_size=before.size,
            doubled_size=after.size,
            seconds=seconds,
            model=upscaler.model.name,
            revision=upscaler.model.revision,
        )
