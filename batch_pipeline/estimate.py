"""Estimate of a batch from a sample of its pictures, of which only the headers are read."""

from collections.abc import Iterator

from batch_pipeline.catalogue import WAITING, Catalogue, Task
from batch_pipeline.config import BatchConfig
from batch_pipeline.local import capacity
from batch_pipeline.station import Measured, Station
from upscaler.model.architecture import SCALE

_SAMPLE = 100  # pictures


def text(catalogue: Catalogue, config: BatchConfig) -> str:
    """Describe the pictures that wait, and the hours that they would take. Raises ModelError or StorageError."""
    number, total_bytes = catalogue.count(WAITING)
    workers, memory, cores = capacity(config)
    sample = catalogue.sample(_SAMPLE)
    with Station(config, memory, cores) as station:
        station.start()
        measured = [(task, station.measure(task)) for task in sample]
    found = [(task, one) for task, one in measured if one.error is None]
    megapixels = _total(found, "megapixels", total_bytes)
    hours = _total(found, "seconds", total_bytes) / 3600
    gigabytes = total_bytes * SCALE ** (2 * config.file.times) / 1e9
    return "\n".join((
        f"pictures: {number:,} to upscale; {len(measured) - len(found)} of a sample of {len(measured)} are unreadable",
        f"output pixels: about {megapixels:,.0f} megapixels",
        f"output size: about {gigabytes:,.1f} GB, if results are compressed as their inputs",
        f"this machine: about {hours / workers:,.1f} hours with {workers} workers",
        *_nodes(config, hours * cores),
    ))  # fmt: skip


def _total(found: list[tuple[Task, Measured]], field: str, total_bytes: int) -> float:
    """Scale the sum over a sample to all pictures, by their bytes."""
    sampled = sum(task.bytes for task, _ in found)
    return sum(getattr(one, field) for _, one in found) * total_bytes / sampled if sampled else 0.0


def _nodes(config: BatchConfig, core_hours: float) -> Iterator[str]:
    """Yield a line for each node of the cluster, as if it worked alone with cores like those of this machine."""
    if config.engine.name == "ray":
        from cluster.engine import on_ray

        for name, cores in on_ray(config.engine.address).cores_of_nodes(config.engine.address).items():
            yield f"node {name}: about {core_hours / cores:,.1f} hours alone, with {cores:g} cores like this machine's"
