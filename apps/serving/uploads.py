"""Ownership of uploaded files: only sessions that uploaded a file may use it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from apps.serving.bodies import MOST_FILES
from apps.serving.refusal import RequestRefusedError


class Uploads:
    """Uploaded files with the sessions that may use them.

    An upload carries no session, so each upload of a file grants the first session that names the file.
    """

    def __init__(self, is_public: Callable[[Path], bool], folder: Path) -> None:
        """Set the folder of uploads, and the predicate of files outside it that anybody may use."""
        self._is_public, self._folder = is_public, folder
        self._unclaimed: dict[str, int] = {}  # uploads of a file that no session has used yet
        self._sessions: dict[str, set[str]] = {}

    def add(self, paths: list[str]) -> None:
        """Record uploaded files; equal files of two visitors share a path."""
        self._forget_deleted()
        for path in paths:
            self._unclaimed[path] = self._unclaimed.get(path, 0) + 1
            self._sessions.setdefault(path, set())

    def check(self, body: dict[str, Any], session: str) -> None:
        """Refuse a body that names a file that the session has not uploaded.

        Removes the URLs next to the paths, so that Gradio fetches nothing.
        """
        files = list(_files(body))
        if len(files) > MOST_FILES:
            raise RequestRefusedError(413, f"the request has more than {MOST_FILES} files; choose fewer at once")
        for file in files:
            if not (isinstance(file["path"], str) and self._may_use(file["path"], session)):
                raise RequestRefusedError(
                    403, "the request names a file that is not yours or was deleted; upload it again"
                )
            file["url"] = None

    def _may_use(self, path: str, session: str) -> bool:
        if path not in self._sessions:
            if "\0" in path or os.path.normpath(path) != path:  # another spelling of an upload's path
                return False
            return not Path(path).resolve().is_relative_to(self._folder) and self._is_public(Path(path))
        if session not in self._sessions[path]:
            if not self._unclaimed[path]:
                return False
            self._unclaimed[path] -= 1
            self._sessions[path].add(session)
        return True

    def _forget_deleted(self) -> None:
        for path in [path for path in self._sessions if not Path(path).exists()]:
            del self._sessions[path], self._unclaimed[path]


def _files(value: Any) -> Iterator[dict[str, Any]]:
    """Find all objects with a path in a JSON value, at any depth; Gradio treats each as a file."""
    values = [value]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if "path" in value:
                yield value
            values += value.values()
        elif isinstance(value, list):
            values += value
