"""A batch described for its page, as JSON values."""

from typing import Any

from apps.serving.progress import in_words
from apps.ui.batch import PARTIAL, THUMBNAIL, Batch, Picture, State
from apps.ui.batches import Batches
from apps.ui.pace import Pace, outlook


def described(batch: Batch, batches: Batches, pace: Pace) -> dict[str, Any]:
    """Describe a batch: its pictures, and in words when it will begin and end."""
    ahead, begins, ends = outlook(pace, batch, batches.working(), batches.queue())
    pictures = [_picture(batch, picture, number) for number, picture in enumerate(batch.pictures)]
    return {
        "pending": any(picture["state"].is_pending for picture in pictures),  # as described: a page stops asking then
        "arriving": batch.is_arriving,  # for pages that did not give these pictures
        "ahead": ahead,
        "begins": in_words(begins),
        "ends": in_words(ends),
        "choices": batch.choices.model_dump(),
        "pictures": pictures,
        "leaving": batches.is_draining,
        "zip": f"work/{batch.id}/all.zip" if len(batch.done) > 1 else "",
    }


def _picture(batch: Batch, picture: Picture, number: int) -> dict[str, Any]:
    address, state = f"work/{batch.id}/{number}", picture.state  # which may change meanwhile
    described: dict[str, Any] = {
        "name": picture.source.name,
        "state": state,
        "share": round(picture.share, 4),
        "sentence": picture.sentence,
        "thumbnail": _if_there(picture, THUMBNAIL, address),
        "partial": _if_there(picture, PARTIAL, address) if state is State.WORKING else "",
    }
    if state is State.DONE and picture.result:
        described |= {
            "download": f"{address}/result",
            "file": picture.target.name,
            "bytes": _size(picture),
            **picture.result.model_dump(),
        }
    return described


def _if_there(picture: Picture, name: str, address: str) -> str:
    """Return the address of a file, which changes with its content, or "" if it does not exist yet."""
    try:
        changed = (picture.folder / name).stat().st_mtime_ns
    except OSError:
        return ""
    return f"{address}/{name}?{changed}"


def _size(picture: Picture) -> int:
    try:
        return picture.target.stat().st_size
    except OSError:  # deleted meanwhile
        return 0
