"""Stations as actors of a Ray cluster, which take chunks of about equal work."""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from batch_pipeline.catalogue import Task
from batch_pipeline.config import BatchConfig
from batch_pipeline.errors import BatchError
from batch_pipeline.local import LEAST, SHARE
from batch_pipeline.report import Record
from batch_pipeline.station import Station
from upscaler.errors import DoubleResolutionError

_RETRIES = 5  # of an actor whose node died, and of its chunk; results that it has published are passed over
_AHEAD = 2  # chunks for each actor, so that none waits for the next; the others stay in the catalogue
_PIXELS = 25e6  # of a chunk: two photos, or seconds of work
_LONGEST = 50  # pictures of a chunk
_PICTURE = 50_000  # pixels that a picture costs beside its own
# Pixels for each byte, to guess from a listing alone: of photos at usual qualities
_PIXELS_PER_BYTE = {".jpg": 3.0, ".jpeg": 3.0, ".webp": 6.0, ".avif": 8.0, ".heic": 6.0, ".png": 0.6}
_OTHERS = 0.35  # uncompressed, such as BMP and most TIFFs

# Each actor reserves one: name, Ray's name, and what to do without any
_UNITS = (("core", "CPU", "add a node"), ("GPU", "GPU", "give --device cpu"))
_log = logging.getLogger(__name__)

_Resources = Mapping[str, float]  # of a node, by Ray's names


@dataclass(frozen=True)
class _Reservation:
    """Resources that Ray reserves for each actor: a core, a GPU if one is asked for, and bytes of memory."""

    gpus: int
    memory: int

    def fitting(self, node: _Resources) -> int:
        """Return the number of actors that fit on a node."""
        least = {"CPU": 1, "GPU": self.gpus, "memory": self.memory}
        return min(int(node.get(name, 0) // amount) for name, amount in least.items() if amount)

    def share(self, node: _Resources) -> int:
        """Return the bytes for the process of each actor on a node that is full of them."""
        return int(SHARE * node["memory"]) // self.fitting(node)


class _Actor:
    """A station on a node, with one core, and with a GPU if one is asked for; it loads its model once."""

    def __init__(self, config: BatchConfig, reservation: _Reservation) -> None:
        node = _nodes()[ray.get_runtime_context().get_node_id()]
        self._station = Station(config, reservation.share(node), cores=1)
        self._station.start()

    def double(self, chunk: list[Task]) -> list[Record | None]:
        return [self._station.double(task) for task in chunk]


def records(tasks: Iterator[Task], config: BatchConfig) -> Generator[Record | None]:
    """Upscale the pictures on the connected cluster; yield the records as chunks end, None for a result that exists.

    Raises BatchError if actors die repeatedly or there is no GPU for them, and ModelError if one cannot load the model.
    """
    nodes = [*_nodes().values()]
    reservation = _reservation(config, nodes)
    actor: Any = ray.remote(
        num_cpus=1,
        num_gpus=reservation.gpus,
        memory=reservation.memory,
        max_restarts=_RETRIES,
        max_task_retries=_RETRIES,
    )(_Actor)
    actors = [actor.remote(config, reservation) for _ in range(_number(config, nodes, reservation))]
    free = actors * _AHEAD
    working: dict[ray.ObjectRef[list[Record | None]], Any] = {}
    try:
        for chunk in chunks(tasks):
            station = free.pop()
            working[station.double.remote(chunk)] = station
            if not free:
                yield from _ended(working, free)
        while working:
            yield from _ended(working, free)
    finally:
        for one in actors:
            ray.kill(one)


def _nodes() -> dict[str, _Resources]:
    """Return the resources of the living nodes by their ids."""
    return {node["NodeID"]: node["Resources"] for node in ray.nodes() if node["Alive"]}


def _reservation(config: BatchConfig, nodes: Sequence[_Resources]) -> _Reservation:
    """Return the reservation of each actor: the usual memory, or that of the largest node. Raises BatchError."""
    unit, resource, advice = _UNITS[config.device != "cpu"]
    usable = [node["memory"] for node in nodes if min(node.get("CPU", 0), node.get(resource, 0)) >= 1]
    if not usable:
        raise BatchError(f"--device is {config.device}, but the cluster has no {unit}; {advice}")
    return _Reservation(gpus=int(config.device != "cpu"), memory=min(LEAST, int(max(usable))))


def _number(config: BatchConfig, nodes: Sequence[_Resources], reservation: _Reservation) -> int:
    """Return the number of actors: as many as fit on the nodes, or fewer."""
    unit, resource, _ = _UNITS[config.device != "cpu"]
    there = sum(int(node.get(resource, 0)) for node in nodes)
    fitting = sum(map(reservation.fitting, nodes))
    if config.workers and config.workers > fitting:  # others would wait forever, with their chunks
        room = f"{there} {unit}s" if fitting == there else f"room for {fitting} of them"
        _log.warning("--workers is %d, but the cluster has only %s: using %d", config.workers, room, fitting)
    return min(config.workers or fitting, fitting)


def chunks(tasks: Iterator[Task]) -> Iterator[list[Task]]:
    """Yield pictures in chunks of about equal pixels, as their sizes and suffixes suggest."""
    chunk, pixels = list[Task](), 0.0
    for task in tasks:
        chunk.append(task)
        suffix = task.source[task.source.rfind(".") :].lower()
        pixels += _PICTURE + task.bytes * _PIXELS_PER_BYTE.get(suffix, _OTHERS)
        if pixels >= _PIXELS or len(chunk) == _LONGEST:
            yield chunk
            chunk, pixels = [], 0.0
    if chunk:
        yield chunk


def _ended(working: "dict[ray.ObjectRef[list[Record | None]], Any]", free: list[Any]) -> Iterator[Record | None]:
    (done, *_), _ = ray.wait(list(working), num_returns=1)
    free.insert(0, working.pop(done))
    try:
        yield from ray.get(done)
    except DoubleResolutionError:  # Ray's error has also the type of the actor's error
        raise
    except RayError as error:
        cause = error.error_msg if isinstance(error, RayActorError) else str(error)
        raise BatchError(
            f"an actor died repeatedly ({cause.strip().splitlines()[-1]}); run the same command again to resume"
        ) from error
