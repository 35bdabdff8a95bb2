"""Choices that are measured once and kept in the user's cache."""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter

from upscaler import json_files
from upscaler.atomic import write_text_once
from upscaler.json_files import JsonError
from upscaler.user_cache import user_cache

T = TypeVar("T")

_MAX_BYTES = 1000  # of a kept choice, which has 40


def kept(folder: str, basis: object, among: Sequence[T], measure: Callable[[], T]) -> T:
    """Return the choice that is kept for a basis, otherwise measure it and keep it.

    Of processes that measure at once, the first to end decides for all. folder: name in the user's cache. basis: all
    that the choice depends on, as JSON. among: the candidates, of one type.
    """
    path = _path(folder, basis)
    found = _read(path, among)
    if found is not None:
        return found
    measured = measure()
    _write(path, measured, among)
    found = _read(path, among)
    return measured if found is None else found


def _path(folder: str, basis: object) -> Path | None:
    """Return the file for a basis; None if the user has no home."""
    name = hashlib.sha256(json.dumps(basis).encode()).hexdigest()
    with suppress(RuntimeError):
        return user_cache() / folder / f"{name}.json"
    return None


def _read(path: Path | None, among: Sequence[T]) -> T | None:
    """Read a kept choice; None if there is none, or the file holds anything else than one of the candidates."""
    with suppress(OSError, JsonError):
        if path and path.is_file():
            found = json_files.load(path, type(among[0]), _MAX_BYTES)
            return found if found in among else None
    return None


def _write(path: Path | None, choice: T, among: Sequence[T]) -> None:
    """Keep a choice, if the folder permits it; otherwise the next process measures again."""
    with suppress(OSError):
        if path:
            if os.path.lexists(path) and _read(path, among) is None:  # in this order: another process may write it now
                path.unlink(missing_ok=True)  # of another version, or damaged
            write_text_once(path, TypeAdapter(type(choice)).dump_json(choice).decode() + "\n")
