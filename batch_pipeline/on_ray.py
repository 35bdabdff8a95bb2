"""Stations as actors of a Ray cluster, which take chunks of about equal work."""

from collections.abc import Generator, Iterator
from typing import Any

import ray

from batch_pipeline.catalogue import Task
from batch_pipeline.chunks import chunks
from batch_pipeline.config import BatchConfig
from batch_pipeline.crew import Crew
from batch_pipeline.report import Record
from batch_pipeline.reservation import Reservation, number_of_actors, reservation_for
from batch_pipeline.station import Station
from cluster.on_ray import living_nodes


class _Actor:
    """A station on a node, with one core, and with a GPU if one is asked for; it loads its model once."""

    def __init__(self, config: BatchConfig, reservation: Reservation) -> None:
        node = living_nodes()[self.node()]
        self._station = Station(config, reservation.share(node), cores=1)
        self._station.start()

    def node(self) -> str:
        """Return the id of its node."""
        return str(ray.get_runtime_context().get_node_id())

    @ray.method(num_returns="streaming")
    def double(self, chunk: list[Task], again: bool) -> Iterator[Record | None]:
        """Yield the record of each picture when it ends. again: another actor began them, and may have ended one."""
        for task in chunk:
            record = self._station.double(task)
            yield record or (self._station.record_of_result(task) if again else None)


def records(tasks: Iterator[Task], config: BatchConfig) -> Generator[Record | None]:
    """Upscale the pictures on the connected cluster; yield the records as pictures end, None for a result that exists.

    Raises BatchError if actors die repeatedly, one cannot load the model, or there is no GPU for them.
    """
    nodes = [*living_nodes().values()]
    reservation = reservation_for(config, nodes)
    actor: Any = ray.remote(num_cpus=1, num_gpus=reservation.gpus, memory=reservation.memory)(_Actor)
    crew = Crew(lambda: actor.remote(config, reservation), number_of_actors(config, nodes, reservation))
    try:
        yield from crew.double(chunks(tasks))
    finally:
        crew.dismiss()
