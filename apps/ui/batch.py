"""A visitor's batch: pictures with the same options, and the state of each."""

import math
import os
import secrets
import shutil
import threading
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, PositiveInt

from apps.serving.refusal import RequestRefusedError
from apps.serving.temporary import content_of, keep
from apps.ui.choices import Choices

PARTIAL, THUMBNAIL = "partial.jpg", "thumbnail.webp"  # files beside a picture, for the page
COMPARISON = "comparison"  # folder of the viewer's tiles
DELETED = "these pictures were deleted; choose them again"
_BETWEEN_UPLOADS = 0.2  # seconds in which a page begins the next upload; fewer than those to the next job
_BEFORE_NEXT = 5.0  # seconds for which other pages take it that another picture follows
_TOUCH_INTERVAL = 10.0  # seconds between two resets of the files' age
_changing = threading.Lock()  # held for the moment in which the state of any picture changes


class State(StrEnum):
    """State of a picture."""

    WAITING = "waiting"
    WORKING = "working"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_pending(self) -> bool:
        """True if work remains."""
        return self in (State.WAITING, State.WORKING)


class Result(BaseModel):
    """Result of the worker: sizes as (width, height), upright; seconds of reading, upscaling and writing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    size: tuple[PositiveInt, PositiveInt]
    doubled_size: tuple[PositiveInt, PositiveInt]
    seconds: NonNegativeFloat


@dataclass(eq=False)
class Picture:
    """A picture of a batch. key: of its upload. share: of its work done, in [0, 1]. sentence: reason of a failure."""

    source: Path
    target: Path
    key: str = ""
    state: State = State.WAITING
    share: float = 0.0
    seconds_left: float | None = None
    sentence: str = ""
    result: Result | None = None
    is_fetched: bool = False  # the result was downloaded

    @property
    def folder(self) -> Path:
        """Folder of the picture's files."""
        return self.target.parent

    @property
    def is_pending(self) -> bool:
        """True if work remains."""
        return self.state.is_pending

    def begin(self) -> bool:
        """Set the state of work, if it waits; return True if it did."""
        with _changing:
            waited = self.state is State.WAITING
            if waited:
                self.state = State.WORKING
            return waited

    def end(self, state: State, sentence: str = "") -> None:
        """Set the final state, unless it is set."""
        with _changing:
            if not self.is_pending:  # cancelled at the last moment
                return
            self.sentence, self.seconds_left = sentence, None
            self.state = state  # last: whoever sees it finds the rest complete


@dataclass(eq=False)
class Batch:
    """Pictures that a visitor gave together. Its id, the folder's name, is the only key to it.

    seen: time at which its page last asked for it, by the monotonic clock. seconds: of work so far. for_page: False for
    programs, which need no previews. is_greeting: True for the example that all visitors see. is_cancelled: True once
    its visitor has cancelled it; it takes no more pictures. uploads: pictures that are being received.
    """

    folder: Path
    visitor: str
    choices: Choices
    for_page: bool = True
    pictures: list[Picture] = field(default_factory=list)
    seen: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    is_greeting: bool = False
    is_cancelled: bool = False
    uploads: int = 0
    _uploaded: float = -math.inf
    _touched: float = field(default_factory=time.monotonic)

    @classmethod
    def create(
        cls, parent: Path, visitor: str, choices: Choices, *, for_page: bool = True, replica: str = ""
    ) -> "Batch":
        """Create an empty batch in a new folder with an unguessable name, which tells the replica."""
        folder = parent / "-".join(filter(None, [replica, secrets.token_hex(16)]))
        folder.mkdir(parents=True)
        return cls(folder, visitor, choices, for_page)

    @property
    def id(self) -> str:
        """Id of 128 random bits, after the name of the replica, if it has one."""
        return self.folder.name

    @property
    def is_pending(self) -> bool:
        """True if work remains."""
        return any(picture.is_pending for picture in self.pictures)

    @property
    def has_place(self) -> bool:
        """True if it counts as a job of its visitor: work remains, or pictures are arriving."""
        return self.is_pending or self._is_arriving(_BETWEEN_UPLOADS)

    @property
    def is_arriving(self) -> bool:
        """True if a picture is being received, or was within seconds."""
        return self._is_arriving(_BEFORE_NEXT)

    def _is_arriving(self, pause: float) -> bool:
        return not self.is_cancelled and (self.uploads > 0 or time.monotonic() - self._uploaded < pause)

    @property
    def done(self) -> list[Picture]:
        """Upscaled pictures."""
        return [picture for picture in self.pictures if picture.state is State.DONE]

    @property
    def kept(self) -> list[Picture]:
        """Pictures whose files were not deleted with a cancellation."""
        return self.done if self.is_cancelled else self.pictures

    def add(self, source: Path, key: str = "") -> Picture:
        """Add a picture, whose results get a folder of their own."""
        folder = self.folder / str(len(self.pictures))
        folder.mkdir(parents=True, exist_ok=True)  # an empty folder may have expired during a long upload
        picture = Picture(source, folder / self.choices.target_name(source), key)
        self.pictures.append(picture)
        return picture

    def end_upload(self) -> None:
        """Note that a picture is received; the next one may follow."""
        self.uploads -= 1
        self._uploaded = time.monotonic()

    def link(self, source: Path) -> Path:
        """Link a file of another batch into this one, which then does not depend on the other; return the link.

        Raises RequestRefusedError if the file was deleted.
        """
        link = self.folder / f"again_{len(self.pictures)}" / source.name
        link.parent.mkdir()
        try:
            os.link(source, link)
        except OSError as error:
            raise RequestRefusedError(404, DELETED) from error
        return link

    def touch(self) -> None:
        """Note that its page is there; its files are kept."""
        self.seen = time.monotonic()
        if self.seen - self._touched > _TOUCH_INTERVAL:
            self._touched = self.seen
            keep(content_of(self.folder))

    def stop(self) -> None:
        """Cancel what is not finished, and keep all files."""
        for picture in self.pictures:
            picture.end(State.CANCELLED)

    def cancel(self) -> None:
        """Cancel what is not finished, take nothing more, and delete what is not needed any more."""
        self.is_cancelled = True
        self.stop()
        self.discard()

    def discard(self) -> None:
        """Delete the files of what is not done, without the thumbnails if the page shows them beside results."""
        names = (PARTIAL,) if self.done else (PARTIAL, THUMBNAIL)
        for picture in self.pictures:
            if picture.state is State.DONE:
                continue
            for file in (picture.source, picture.target, *(picture.folder / name for name in names)):
                if file.is_relative_to(self.folder):  # unlike samples and the uploads of programs
                    file.unlink(missing_ok=True)

    def delete(self) -> None:
        """Cancel it and delete its files."""
        self.cancel()
        shutil.rmtree(self.folder, ignore_errors=True)

    def downloads(self) -> Iterator[tuple[Path, str]]:
        """Yield each result with its name in a zip file: two pictures may have the same name.

        Names are the same if they differ in case or composition alone, for which Windows and macOS see one file.
        """
        taken: set[str] = set()
        for picture in self.done:
            name, n = picture.target.name, 1
            while (same := unicodedata.normalize("NFC", name).casefold()) in taken:
                n += 1
                name = f"{picture.target.stem} ({n}){picture.target.suffix}"
            taken.add(same)
            yield picture.target, name
