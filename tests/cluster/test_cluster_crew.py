"""The crew of a batch on a cluster whose actors are made here: who gets which chunk, and what a death costs."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from batch_pipeline import crew
from batch_pipeline.catalogue import Task
from batch_pipeline.crew import Crew
from batch_pipeline.errors import BatchError
from batch_pipeline.report import Record


class Actor:
    """An actor of a node, with a log of the pictures that it was given."""

    def __init__(self, node: str, nodes: set[str]) -> None:
        self._node, self._nodes = node, nodes
        self.given: list[str] = []
        self.again: list[bool] = []
        self.node = SimpleNamespace(remote=lambda: (self._alive, node))
        self.double = SimpleNamespace(remote=self._take)

    def _take(self, chunk: list[Task], again: bool) -> Iterator[Any]:
        self.again.append(again)
        return self._double([*chunk])

    def _alive(self) -> bool:
        return self._node in self._nodes

    def _double(self, chunk: list[Task]) -> Iterator[Any]:
        self.given += [task.source for task in chunk]
        return iter([(self._alive, Record(source=task.source)) for task in chunk])


def answer(reference: Any) -> Any:
    is_alive, value = reference
    if not is_alive():
        raise ActorDiedError
    return value


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The living nodes, of which actors are made in turn; Ray answers for them."""
    living = {"a", "b"}
    monkeypatch.setattr(
        crew, "ray", SimpleNamespace(wait=lambda pending, timeout: (pending[:1], []), get=answer, kill=lambda _: None)
    )
    monkeypatch.setattr(crew, "living_nodes", lambda: living)
    return living


def tasks(*names: str) -> list[Task]:
    return [Task(name, name, 1) for name in names]


def test_every_actor_gets_a_chunk_before_one_gets_two(nodes: set[str]) -> None:
    actors = [Actor("a", nodes) for _ in range(4)]
    started = iter(actors)
    list(Crew(lambda: next(started), 4).double(iter(map(tasks, "12345678"))))
    assert {len(actor.given) for actor in actors} == {2}


def test_a_node_with_many_idle_actors_dies_once(nodes: set[str]) -> None:
    actors: list[Actor] = []

    def start() -> Actor:
        actors.append(Actor("a" if len(actors) < 8 else "b", nodes))
        return actors[-1]

    def chunks() -> Iterator[list[Task]]:
        yield tasks("first")
        nodes.discard("a")
        yield tasks("last", "of all")

    records = list(Crew(start, 8).double(chunks()))
    assert sorted(record.source for record in records if record) == ["first", "last", "of all"]
    assert len(actors) == 16
    assert sum("last" in actor.given for actor in actors) <= 2


def test_only_the_rest_of_a_chunk_is_repeated(nodes: set[str]) -> None:
    actors = [Actor("a", nodes), Actor("b", nodes)]
    started = iter(actors)
    found = Crew(lambda: next(started), 1).double(iter([tasks("1", "2", "3")]))
    first = next(found)
    nodes.discard("a")
    assert [record.source for record in [first, *found] if record] == ["1", "2", "3"]
    assert [actor.again for actor in actors] == [[False], [True]]


class Mortal(Actor):
    """An actor that dies of every picture, on a node that lives."""

    def _double(self, chunk: list[Task]) -> Iterator[Any]:
        return iter([(lambda: False, None)])


def test_a_chunk_over_which_five_actors_died_is_given_to_a_sixth(nodes: set[str]) -> None:
    actors: list[Actor] = []

    def start() -> Actor:
        actors.append((Mortal if len(actors) < 5 else Actor)("a", nodes))
        return actors[-1]

    assert [record.source for record in Crew(start, 1).double(iter([tasks("hard")])) if record] == ["hard"]
    assert len(actors) == 6


def test_a_chunk_over_which_actors_keep_dying_ends_the_batch(nodes: set[str]) -> None:
    with pytest.raises(BatchError, match=r"an actor died repeatedly .*; run the same command again to resume"):
        list(Crew(lambda: Mortal("a", nodes), 3).double(iter([tasks("bomb")])))
