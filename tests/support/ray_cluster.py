"""A Ray cluster of several node processes on this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ray
from ray.cluster_utils import Cluster

_ROOT = Path(__file__).parents[2]
_STORE = 80_000_000  # bytes of objects on each node
_SOON = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start a cluster whose head runs no tasks, and whose nodes find the project and its tests."""
    with patch.dict(os.environ, PYTHONPATH=f"{_ROOT}{os.pathsep}{_ROOT / 'tests'}"):
        head = {"num_cpus": 0, "object_store_memory": _STORE, "_system_config": _SOON}
        made = Cluster(initialize_head=True, head_node_args=head)
        ray.init(address=made.address, log_to_driver=False)
        yield made
        ray.shutdown()
        made.shutdown()


def add_node(cluster: Cluster) -> Any:
    """Start a node with one core."""
    return cluster.add_node(num_cpus=1, object_store_memory=_STORE)
