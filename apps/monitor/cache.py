"""Cache of finished pictures on disk: one complete folder per day and model, limited in total size."""

import datetime as dt
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from apps.monitor.apod import Entry
from apps.monitor.pictures import THUMBNAIL, TILES
from apps.serving.viewer.comparison import Comparison
from upscaler.atomic import PART, remove_parts, write_text

RECORD = "day.json"
_LONGEST_RECORD = 1_000_000  # bytes
ABANDONED = 3600  # seconds after which an unfinished folder counts as abandoned


class Finished(BaseModel):
    """A day's upscaled picture. Sizes are (width, height). seconds: time of upscaling. comparison: of the tiles."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    entry: Entry
    source: str
    doubled: str
    source_size: tuple[int, int]
    doubled_size: tuple[int, int]
    seconds: float
    model: str
    revision: str
    comparison: Comparison
    folder: Path = Path()

    @property
    def source_path(self) -> Path:
        """Path of the original picture."""
        return self.folder / self.source

    @property
    def doubled_path(self) -> Path:
        """Path of the upscaled picture."""
        return self.folder / self.doubled

    @property
    def thumbnail_path(self) -> Path:
        """Path of the thumbnail."""
        return self.folder / THUMBNAIL

    @property
    def tiles_path(self) -> Path:
        """Path of the folder with the viewer's tiles."""
        return self.folder / TILES

    @property
    def is_complete(self) -> bool:
        """True if all files are in the folder."""
        files = (self.source_path, self.doubled_path, self.thumbnail_path)
        return all(path.is_file() for path in files) and self.tiles_path.is_dir()


class Cache:
    """Cache of finished pictures; processes may share the folder."""

    def __init__(self, folder: Path, most_bytes: int, revision: str) -> None:
        """Open the cache for a model's `revision`; pictures of other revisions are not found and are evicted first."""
        self.folder = folder
        self._most_bytes = most_bytes
        self._revision = revision
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, day: dt.date) -> Finished | None:
        """Return a day's finished picture, if there is one, and mark it as used."""
        folder = self._folder_of(day)
        if finished := _read(folder):
            with suppress(OSError):  # another process has removed it
                os.utime(folder)
        return finished

    def recent(self, count: int) -> list[Finished]:
        """Return the finished pictures of the latest days, newest first."""
        folders = sorted(self.folder.glob(f"????-??-??-{self._revision}"), reverse=True)
        return list(islice((finished for folder in folders if (finished := _read(folder))), count))

    @property
    def folders(self) -> list[Path]:
        """Folders of all days, including other models'."""
        return list(self.folder.glob("????-??-??-*"))

    @contextmanager
    def adding(self, day: dt.date) -> Iterator[Path]:
        """Yield an empty folder that becomes the day's if the block raises nothing."""
        self.folder.mkdir(parents=True, exist_ok=True)  # it may have been removed
        part = Path(tempfile.mkdtemp(prefix=PART, dir=self.folder))
        try:
            yield part
            self._commit(part, self._folder_of(day))
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._trim(self._folder_of(day))

    def _trim(self, added: Path) -> None:
        """Evict least recently used folders until the rest fits, other models' first.

        The model's latest day and the added folder are kept in any case.
        """
        remove_parts(self.folder, ABANDONED)
        folders = sorted(self.folders, key=self._eviction_order)
        sizes = {folder: _size(folder) for folder in folders}
        latest = max(filter(self._is_current, folders), default=None)
        for folder in folders:
            if sum(sizes.values()) > self._most_bytes and folder not in (latest, added):
                shutil.rmtree(folder, ignore_errors=True)
                del sizes[folder]

    def _commit(self, part: Path, target: Path) -> None:
        """Rename a finished folder to `target`; keep a complete folder of another process that was faster."""
        part.chmod(0o755)
        try:
            part.rename(target)
        except OSError:
            if _read(target) is None:
                shutil.rmtree(target, ignore_errors=True)
                part.rename(target)

    def _folder_of(self, day: dt.date) -> Path:
        return self.folder / f"{day}-{self._revision}"

    def _is_current(self, folder: Path) -> bool:
        return folder.name.endswith(f"-{self._revision}")

    def _eviction_order(self, folder: Path) -> tuple[bool, float]:
        return self._is_current(folder), _used_at(folder)


def write_record(folder: Path, finished: Finished) -> None:
    """Write the record that marks a folder as complete."""
    write_text(folder / RECORD, finished.model_dump_json(exclude={"folder"}, indent=2) + "\n")


def _read(folder: Path) -> Finished | None:
    try:
        if (folder / RECORD).stat().st_size > _LONGEST_RECORD:
            return None
        record = (folder / RECORD).read_text(encoding="utf-8")
        finished = Finished.model_validate_json(record).model_copy(update={"folder": folder})
    except (OSError, ValidationError):
        return None
    return finished if finished.is_complete else None


def _used_at(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except OSError:  # another process has removed it
        return 0.0


def _size(folder: Path) -> int:
    sizes = 0
    with suppress(OSError):  # another process is removing it
        for path in folder.rglob("*"):
            sizes += path.stat().st_size if path.is_file() else 0
    return sizes
