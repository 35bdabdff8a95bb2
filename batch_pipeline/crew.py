"""Actors of a Ray cluster that share the chunks of a batch, and outlive the nodes of one another."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from batch_pipeline.catalogue import Task
from batch_pipeline.errors import BatchError
from batch_pipeline.report import Record
from upscaler.errors import DoubleResolutionError

_AHEAD = 2  # chunks for each actor, so that none waits for the next; the others stay in the catalogue
_DEATHS = 5  # of actors over one chunk, after which it may be the reason
_PATIENCE = 120.0  # seconds without an actor, after which waiting is said
_log = logging.getLogger(__name__)

_Reference = ray.ObjectRef[list[Record | None]]


@dataclass(frozen=True)
class _Lot:
    """A chunk, which is empty for an actor that starts, and the number of actors that died over it."""

    chunk: list[Task]
    deaths: int = 0


class Crew:
    """Actors, each replaced if it dies: the others take its chunks, and the new one helps once a node has room."""

    def __init__(self, start: Callable[[], Any], number: int) -> None:
        self._start = start
        self._actors: list[Any] = []
        self._free: list[Any] = []  # actors that have started, each as often as it may take a chunk
        self._working: dict[_Reference, tuple[Any, _Lot]] = {}
        self._next: list[_Lot] = []  # of dead actors, and at most one of the catalogue
        for _ in range(number):
            self._hire(_Lot([]))

    def double(self, chunks: Iterator[list[Task]]) -> Iterator[Record | None]:
        """Yield the records of chunks as they end; a chunk whose actor dies is repeated.

        Raises BatchError if actors die repeatedly, and what the station of an actor raises.
        """
        while True:
            if not self._next and (chunk := next(chunks, None)):
                self._next.append(_Lot(chunk))
            if self._next and self._free:
                self._give(self._free.pop(), self._next.pop())
            elif self._next or self._is_busy():
                yield from self._ended()
            else:
                return

    def dismiss(self) -> None:
        """End all actors."""
        for actor in self._actors:
            ray.kill(actor)

    def _hire(self, lot: _Lot) -> None:
        self._actors.append(self._start())
        self._give(self._actors[-1], lot)

    def _give(self, actor: Any, lot: _Lot) -> None:
        self._working[actor.double.remote(lot.chunk)] = actor, lot

    def _is_busy(self) -> bool:
        return any(lot.chunk for _, lot in self._working.values())

    def _ended(self) -> Iterator[Record | None]:
        """Wait until a chunk ends or an actor has started; yield its records."""
        reference = self._first()
        actor, lot = self._working.pop(reference)
        try:
            records = ray.get(reference)
        except DoubleResolutionError:  # Ray's error has also the type of the actor's error
            raise
        except RayActorError as error:
            self._replace(actor, lot, error)
        except RayError as error:
            raise BatchError(f"an actor failed ({_last_line(error)}); run the same command again to resume") from error
        else:
            self._free[:0] = [actor] * (1 if lot.chunk else _AHEAD)
            yield from records

    def _first(self) -> _Reference:
        while True:
            done, _ = ray.wait([*self._working], timeout=_PATIENCE)
            if done:
                return done[0]
            if not self._is_busy():
                _log.warning("no node of the cluster has room for an actor; add a node, or stop and run this again")

    def _replace(self, actor: Any, lot: _Lot, error: RayActorError) -> None:
        """Keep the chunk of a dead actor for others, and start another actor in its place, once."""
        if lot.deaths == _DEATHS or error.actor_init_failed:
            what = "cannot start" if error.actor_init_failed else "died repeatedly"
            raise BatchError(f"an actor {what} ({_last_line(error)}); run the same command again to resume") from error
        if lot.chunk:
            self._next.append(_Lot(lot.chunk, lot.deaths + 1))
        if any(one is actor for one in self._actors):  # it may have had two chunks
            ray.kill(actor)  # if it cannot be reached, only
            self._actors = [one for one in self._actors if one is not actor]
            self._free = [one for one in self._free if one is not actor]
            self._hire(_Lot([], 0 if lot.chunk else lot.deaths + 1))


def _last_line(error: RayError) -> str:
    return str(error).strip().splitlines()[-1]
