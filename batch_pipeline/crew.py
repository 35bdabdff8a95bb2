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
from cluster.on_ray import last_line, living_nodes
from upscaler.errors import DoubleResolutionError

_AHEAD = 2  # chunks for each actor, so that none waits for the next; the others stay in the catalogue
_DEATHS = 5  # of actors over one chunk, or at the start, after which it may be the reason
_PATIENCE = 120.0  # seconds without an actor, after which waiting is said
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class _Hand:
    """An actor, if it takes another one's place, the node that it has started on ("": none yet), and its chunks."""

    actor: Any
    replaces: bool
    node: str = ""
    chunks: int = 0


@dataclass
class _Lot:
    """The rest of a chunk, and the number of actors that died over it."""

    left: list[Task]
    deaths: int = 0


class Crew:
    """Actors, each replaced if it dies: the others take its chunks, and the new one helps once a node has room."""

    def __init__(self, start: Callable[[], Any], number: int) -> None:
        """Start actors. start: starts one that has the methods of `on_ray._Actor`."""
        self._start = start
        self._hands: list[_Hand] = []
        self._starting: dict[Any, tuple[_Hand, int]] = {}  # by the name of its node, with the number of vain starts
        self._working: dict[Any, tuple[_Hand, _Lot]] = {}  # by the records, which come one by one
        self._next: list[_Lot] = []  # of dead actors, and at most one of the catalogue
        for _ in range(number):
            self._hire(replaces=False)

    def double(self, chunks: Iterator[list[Task]]) -> Iterator[Record | None]:
        """Yield the records of pictures as they end; a chunk whose actor dies is continued by another.

        Raises BatchError if actors die repeatedly, and what the station of an actor raises.
        """
        while True:
            if not self._next and (chunk := next(chunks, None)):
                self._next.append(_Lot(chunk))
            if self._next and (hand := self._free()):
                self._give(hand, self._next.pop())
            elif self._next or self._working:
                yield from self._happened()
            else:
                return

    def dismiss(self) -> None:
        """End all actors."""
        for hand in self._hands:
            ray.kill(hand.actor)

    def _hire(self, *, replaces: bool, vain: int = 0) -> None:
        hand = _Hand(self._start(), replaces)
        self._hands.append(hand)
        self._starting[hand.actor.node.remote()] = hand, vain

    def _free(self) -> _Hand | None:
        """Return the actor with the fewest chunks, if it may take another one: no second one while the first start."""
        most = _AHEAD if all(hand.replaces for hand, _ in self._starting.values()) else 1
        started = [hand for hand in self._hands if hand.node and hand.chunks < most]
        return min(started, key=lambda hand: hand.chunks, default=None)

    def _give(self, hand: _Hand, lot: _Lot) -> None:
        hand.chunks += 1
        self._working[hand.actor.double.remote(lot.left, again=lot.deaths > 0)] = hand, lot

    def _happened(self) -> Iterator[Record | None]:
        """Wait until an actor has started, or has ended a picture or a chunk; yield the record of a picture."""
        one = self._first()
        try:
            if one in self._starting:
                self._has_started(one)
            else:
                yield from self._has_ended(one)
        except DoubleResolutionError:  # Ray's error has also the type of the actor's error
            raise
        except RayError as error:
            raise BatchError(f"an actor failed ({last_line(error)}); run the same command again to resume") from error

    def _first(self) -> Any:
        while True:
            done, _ = ray.wait([*self._starting, *self._working], timeout=_PATIENCE)
            if done:
                return done[0]
            if not self._working:
                _log.warning("no node of the cluster has room for an actor; add a node, or stop and run this again")

    def _has_started(self, name: Any) -> None:
        hand, vain = self._starting.pop(name)
        try:
            hand.node = ray.get(name)
        except RayActorError as error:
            self._lose(hand, vain + 1, error)

    def _has_ended(self, records: Any) -> Iterator[Record | None]:
        hand, lot = self._working[records]
        try:
            record = ray.get(next(records))
        except StopIteration:
            hand.chunks -= 1
            del self._working[records]
        except RayActorError as error:
            del self._working[records]
            if lot.left:
                self._next.append(_Lot(lot.left, lot.deaths + 1))
            self._lose(hand, lot.deaths + 1, error)
        else:
            del lot.left[0]
            yield record

    def _lose(self, hand: _Hand, deaths: int, error: RayActorError) -> None:
        """Start other actors in place of a dead one and of those on its node, once each."""
        if deaths > _DEATHS or error.actor_init_failed:
            what = "cannot start" if error.actor_init_failed else "died repeatedly"
            raise BatchError(f"an actor {what} ({last_line(error)}); run the same command again to resume") from error
        living = living_nodes()
        for lost in [one for one in self._hands if one is hand or (one.node and one.node not in living)]:
            ray.kill(lost.actor)  # if it cannot be reached, only
            self._hands.remove(lost)
            self._hire(replaces=True, vain=0 if hand.node else deaths)
