"""Catalogue of a batch: each picture with its target and state, in a temporary database on disk.

The names of a folder run depend on all pictures of a folder, and listings come in any order. SQLite holds them outside
memory: it spills what its cache cannot hold.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from batch_pipeline.entry import Entry
from upscaler.naming import ENDINGS, Naming, marked_stem
from upscaler.relative_names import stays_inside

WAITING, DONE, FAILED, RESULT = "waiting", "done", "failed", "result of an earlier run"
NAME, CLASH = "unusable name", "shared target"  # reasons of failures that the catalogue finds

_CACHE_KIB = 16_000
_TOGETHER = 1000  # rows that are read at a time

_SCHEMA = """
CREATE TABLE pictures (id INTEGER PRIMARY KEY, source TEXT UNIQUE, bytes INTEGER, stem TEXT, marked_stem TEXT,
    made_of TEXT, plain TEXT, marked TEXT, target TEXT, state TEXT, reason TEXT);
CREATE TABLE outputs (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE failures (source TEXT PRIMARY KEY, reason TEXT) WITHOUT ROWID;
"""
_SETTLE = f"""
CREATE INDEX by_plain ON pictures (plain);
UPDATE pictures SET state = '{RESULT}' WHERE state = '{WAITING}'
    AND made_of IN (SELECT stem FROM pictures UNION SELECT marked_stem FROM pictures);
UPDATE pictures SET target = iif((SELECT count(*) FROM (SELECT 1 FROM pictures other
    WHERE other.plain = pictures.plain AND other.state = '{WAITING}' LIMIT 2)) = 2, marked, plain)
    WHERE state = '{WAITING}';
CREATE INDEX by_target ON pictures (target);
UPDATE pictures SET state = '{FAILED}', reason = '{CLASH}' WHERE state = '{WAITING}'
    AND EXISTS (SELECT 1 FROM pictures other WHERE other.target = pictures.target AND other.source < pictures.source);
UPDATE pictures SET state = '{DONE}' WHERE state = '{WAITING}' AND target IN (SELECT name FROM outputs);
UPDATE pictures SET state = '{FAILED}', reason = (SELECT reason FROM failures WHERE source = pictures.source)
    WHERE state = '{WAITING}' AND source IN (SELECT source FROM failures WHERE reason NOT IN ('{NAME}', '{CLASH}'));
"""


@dataclass(frozen=True)
class Task:
    """One picture: its source, its target, both names, and the bytes of the source."""

    source: str
    target: str
    bytes: int


class Catalogue:
    """Pictures, outputs and earlier failures of a batch. Add them, then `settle`; the rest is for afterwards."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming
        self._database = sqlite3.connect("")  # a file without a name, which ends with the process
        self._database.executescript(f"PRAGMA cache_size = -{_CACHE_KIB}; PRAGMA temp_store = FILE; {_SCHEMA}")

    def add_pictures(self, entries: Iterable[Entry]) -> None:
        """Add pictures; a name given twice counts once."""
        self._database.executemany(
            "INSERT OR IGNORE INTO pictures VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)", map(self._row, entries)
        )

    def add_outputs(self, entries: Iterable[Entry]) -> None:
        """Add the names that the output holds."""
        names = ((_text(entry.name),) for entry in entries)
        self._database.executemany("INSERT OR IGNORE INTO outputs VALUES (?)", names)

    def settle(self) -> None:
        """Give each picture its target, as a folder run does, and find what is done."""
        self._database.executescript(_SETTLE)

    def outputs(self, prefix: str) -> Iterator[str]:
        """Yield the names in the output that begin with `prefix`, in order."""
        rows = self._database.execute(
            "SELECT name FROM outputs WHERE name >= ? AND name < ? ORDER BY name", (prefix, f"{prefix}\U0010ffff")
        )
        return (name for (name,) in rows)

    def add_outcomes(self, outcomes: Iterable[tuple[str, str | None]]) -> None:
        """Add outcomes of earlier runs in order, by source: the reason of a failure, or None. The last one counts."""
        for source, reason in outcomes:
            self._database.execute("DELETE FROM failures WHERE source = ?", (source,))
            if reason is not None:
                self._database.execute("INSERT INTO failures VALUES (?, ?)", (source, reason))

    def is_empty(self) -> bool:
        """Return True if it has no pictures."""
        return self._database.execute("SELECT 1 FROM pictures LIMIT 1").fetchone() is None

    def tasks(self) -> Iterator[Task]:
        """Yield the pictures that wait, in the order of the listing."""
        last = 0
        while rows := self._database.execute(
            f"SELECT id, source, target, bytes FROM pictures WHERE state = '{WAITING}' AND id > ? ORDER BY id LIMIT ?",
            (last, _TOGETHER),
        ).fetchall():
            yield from (Task(*row[1:]) for row in rows)
            last = rows[-1][0]

    def sample(self, number: int) -> list[Task]:
        """Return pictures that wait, spread evenly over the listing."""
        rows = self._database.execute(
            "SELECT source, target, bytes FROM (SELECT *, row_number() OVER (ORDER BY id) n, count(*) OVER () total "
            f"FROM pictures WHERE state = '{WAITING}') WHERE n * ? / total > (n - 1) * ? / total",
            (number, number),
        )
        return [Task(*row) for row in rows]

    def count(self, state: str) -> tuple[int, int]:
        """Return the number of pictures in a state, and the sum of their bytes."""
        (row,) = self._database.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM pictures WHERE state = ?", (state,)
        )
        return row[0], row[1]

    def failures(self) -> dict[str, int]:
        """Return the number of failed pictures by reason."""
        return dict(
            self._database.execute(f"SELECT reason, count(*) FROM pictures WHERE state = '{FAILED}' GROUP BY reason")
        )

    def refused(self) -> Iterator[tuple[str, str]]:
        """Yield the sources that the catalogue refuses, with the reasons, unless an earlier run has told so."""
        return self._database.execute(
            "SELECT source, reason FROM pictures WHERE reason IN (?, ?) EXCEPT SELECT source, reason FROM failures",
            (NAME, CLASH),
        )

    def _row(self, entry: Entry) -> tuple[str | int | None, ...]:
        name = entry.name
        if not stays_inside(name):
            return _text(name), entry.bytes, None, None, None, None, None, FAILED, NAME
        path = Path(name)
        stem = str(path.with_suffix(""))
        made_of = next((stem.removesuffix(ending) for ending in ENDINGS if stem.endswith(ending)), None)
        top = Path()
        targets = (self._naming.target(path, top, marked=marked).as_posix() for marked in (False, True))
        return name, entry.bytes, stem, str(path.with_name(marked_stem(path))), made_of, *targets, WAITING, None


def _text(name: str) -> str:
    """Return a name as the database holds it: one that is no Unicode, escaped."""
    return name.encode(errors="backslashreplace").decode()
