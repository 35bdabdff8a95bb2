"""Uploaded files, and which session may name them: whoever names one first, of those that sent it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from apps.serving.bodies import MOST_FILES
from apps.serving.refusal import RequestRefusedError


class Uploads:
    """Files that were uploaded, with the sessions that named them."""

    def __init__(self, is_public: Callable[[Path], bool], folder: Path) -> None:
        """`is_public`: whether a file outside of `folder`, where uploads lie, is for everybody to see."""
        self._is_public, self._folder = is_public, folder
        self._unnamed: dict[str, int] = {}  # how many sent a file and have not named it yet
        self._sessions: dict[str, set[str]] = {}

    def add(self, paths: list[str]) -> None:
        """Take note of files that somebody has uploaded; equal files of two people have one path."""
        self._forget_deleted()
        for path in paths:
            self._unnamed[path] = self._unnamed.get(path, 0) + 1
            self._sessions.setdefault(path, set())

    def check(self, body: dict[str, Any], session: str) -> None:
        """Refuse a body that names a file which the session has not uploaded.

        In what passes, the addresses beside the paths are gone: nothing is fetched from them.
        """
        files = list(_files(body))
        if len(files) > MOST_FILES:
            raise RequestRefusedError(413, f"these are more than {MOST_FILES} files; choose fewer at once")
        for file in files:
            if not (isinstance(file["path"], str) and self._may_name(file["path"], session)):
                raise RequestRefusedError(
                    403, "a file was named that is not yours or is deleted by now; upload it again"
                )
            file["url"] = None

    def _may_name(self, path: str, session: str) -> bool:
        if path not in self._sessions:
            if "\0" in path or os.path.normpath(path) != path:  # another spelling of somebody's upload
                return False
            return not Path(path).resolve().is_relative_to(self._folder) and self._is_public(Path(path))
        if session not in self._sessions[path]:
            if not self._unnamed[path]:
                return False
            self._unnamed[path] -= 1
            self._sessions[path].add(session)
        return True

    def _forget_deleted(self) -> None:
        for path in [path for path in self._sessions if not Path(path).exists()]:
            del self._sessions[path], self._unnamed[path]


def _files(value: Any) -> Iterator[dict[str, Any]]:
    """Find all objects with a path in a JSON value, however deep; Gradio takes each for a file."""
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if "path" in value:
                yield value
            values += value.values()
        elif isinstance(value, list):
            values += value
