"""Resources of a Ray cluster that the actors of a batch reserve."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from apps.serving.job_limits import MEMORY_SHARE
from batch_pipeline.config import BatchConfig
from batch_pipeline.errors import BatchError
from batch_pipeline.local import LEAST
from cluster.on_ray import Resources

# Each actor reserves one: name, Ray's name, and what to do without any
_UNITS = (("core", "CPU", "add a node"), ("GPU", "GPU", "give --device cpu"))
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reservation:
    """Resources that Ray reserves for each actor: a core, a GPU if one is asked for, and bytes of memory."""

    gpus: int
    memory: int

    def fitting(self, node: Resources) -> int:
        """Return the number of actors that fit on a node."""
        least = {"CPU": 1, "GPU": self.gpus, "memory": self.memory}
        return min(int(node.get(name, 0) // amount) for name, amount in least.items() if amount)

    def share(self, node: Resources) -> int:
        """Return the bytes for the process of each actor on a node that is full of them."""
        return int(MEMORY_SHARE * node["memory"]) // self.fitting(node)


def reservation_for(config: BatchConfig, nodes: Sequence[Resources]) -> Reservation:
    """Return the reservation of each actor: the usual memory, or that of the largest node. Raises BatchError."""
    unit, resource, advice = _UNITS[config.device != "cpu"]
    usable = [node["memory"] for node in nodes if min(node.get("CPU", 0), node.get(resource, 0)) >= 1]
    if not usable:
        raise BatchError(f"--device is {config.device}, but the cluster has no {unit}; {advice}")
    return Reservation(gpus=int(config.device != "cpu"), memory=min(LEAST, int(max(usable))))


def number_of_actors(config: BatchConfig, nodes: Sequence[Resources], reservation: Reservation) -> int:
    """Return the number of actors: as many as fit on the nodes, or fewer."""
    unit, resource, _ = _UNITS[config.device != "cpu"]
    there = sum(int(node.get(resource, 0)) for node in nodes)
    fitting = sum(map(reservation.fitting, nodes))
    if config.workers and config.workers > fitting:  # others would wait forever, with their chunks
        room = f"{there} {unit}s" if fitting == there else f"room for {fitting} of them"
        _log.warning("--workers is %d, but the cluster has only %s: using %d", config.workers, room, fitting)
    return min(config.workers or fitting, fitting)
