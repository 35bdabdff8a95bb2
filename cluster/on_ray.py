"""Execution of tasks on a Ray cluster, with a table of their progress."""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from rich.live import Live
from rich.table import Table
from tqdm import tqdm

from cluster.board import Board, Progress
from cluster.errors import StorageError
from cluster.task import Task, attempt
from upscaler.errors import DoubleResolutionError
from upscaler.streams import warn

RETRIES = 5  # of a task whose node died; a task that raises is not repeated
EVERY = 1.0  # seconds between two reports

Resources = Mapping[str, float]  # of a node, by Ray's names


def run(tasks: Sequence[Task], address: str | None) -> dict[str, str]:
    """Run all tasks on the cluster, and repeat a task whose node dies; return the error messages by name.

    Raises StorageError if there is no cluster at the address.
    """
    connect(address)
    warn_of_waiting(tasks)
    board = _actor_here(Board)
    waiting = {_submit(task, board): task for task in tasks}
    failed: dict[str, str] = {}
    ended: dict[str, str] = {}
    with Live(_table(tasks, {}, ended), refresh_per_second=2, transient=False) as live:
        while waiting:
            done, _ = ray.wait(list(waiting), timeout=EVERY)
            for reference in done:
                task = waiting.pop(reference)
                if sentence := _outcome(reference):
                    failed[task.name] = sentence
                ended[task.name] = "failed" if sentence else "done"
            live.update(_table(tasks, ray.get(board.read.remote()), ended))
    return failed


def do(task: Task, address: str | None) -> Any:
    """Run one task on the cluster, without the table; return its result. Raises its errors, and StorageError."""
    connect(address)
    warn_of_waiting([task])
    try:
        return ray.get(_placed(task.work, task).remote())
    except DoubleResolutionError:  # Ray's error has also the type of the task's error
        raise
    except RayError as error:
        raise StorageError(f"{task.name} {_died(error)}") from error


def callback(function: Callable[..., Any], address: str | None) -> Callable[..., Any]:
    """Return a function that calls `function` in a process of this machine. Raises StorageError if there is no cluster.

    The process ends when no task holds the function any more.
    """
    connect(address)
    return partial(_call, _actor_here(_Callee, function))


def cores_of_nodes(address: str | None) -> dict[str, float]:
    """Return the cores of each living node, by its name. Raises StorageError if there is no cluster."""
    connect(address)
    return {node["NodeName"]: cores for node in _living() if (cores := node["Resources"].get("CPU"))}


def living_nodes() -> dict[str, Resources]:
    """Return the resources of the connected cluster's living nodes by their ids."""
    return {node["NodeID"]: node["Resources"] for node in _living()}


def warn_of_waiting(tasks: Sequence[Task]) -> None:
    """Say which tasks no node can hold: Ray lets them wait for one that may join, without a word."""
    nodes = [node["Resources"] for node in _living()]
    for cpus, gpus in dict.fromkeys((task.cpus, task.gpus) for task in tasks):
        if not any(node.get("CPU", 0) >= cpus and node.get("GPU", 0) >= gpus for node in nodes):
            warn(
                f"no node of the cluster has {cpus} cores and {gpus:g} GPUs for a task, which waits for one; "
                "stop it and give fewer --workers, --threads or --gpus, or add a node"
            )


def disconnect() -> None:
    """Disconnect from the cluster, which ends the running tasks."""
    ray.shutdown()


def connect(address: str | None) -> None:
    """Connect to a cluster, unless this process is connected. Raises StorageError if there is none."""
    if ray.is_initialized():
        return
    try:
        # "local" starts one, regardless of RAY_ADDRESS
        ray.init(address=address or "local", log_to_driver=False, include_dashboard=None if address else False)
    except (ConnectionError, RayError) as error:
        raise StorageError(
            f"there is no Ray cluster at {address} ({error}); start one with ray start --head"
        ) from error


def last_line(error: RayError) -> str:
    """Return the last line of Ray's error, which names the cause; tracebacks stand above it."""
    return str(error).strip().splitlines()[-1]


class _Callee:
    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def call(self, *given: Any) -> Any:
        return self._function(*given)


def _living() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _call(callee: Any, *given: Any) -> Any:
    return ray.get(callee.call.remote(*given))


def _actor_here(made: type, *given: Any) -> Any:
    """Start an actor on this program's node, because other nodes may die, and because files are here."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    return ray.remote(made).options(num_cpus=0, scheduling_strategy=here).remote(*given)


def _submit(task: Task, board: Any) -> "ray.ObjectRef[str]":
    return _placed(_do, task).remote(task, board)  # type: ignore[no-any-return]


def _placed(function: Callable[..., Any], task: Task) -> Any:
    return ray.remote(lambda *given: function(*given)).options(
        num_cpus=task.cpus, num_gpus=task.gpus, max_retries=RETRIES, name=task.name
    )


def _outcome(reference: "ray.ObjectRef[str]") -> str:
    try:
        return ray.get(reference)
    except RayError as error:
        return _died(error)


def _died(error: RayError) -> str:
    return f"died repeatedly or failed unexpectedly ({last_line(error)})"


def _do(task: Task, board: Any) -> str:
    """Run the task on the node, and report the state of its progress bars."""
    ended = threading.Event()
    reporter = threading.Thread(target=_report, args=(task.name, board, ended), daemon=True)
    reporter.start()
    try:
        return attempt(task.work)
    finally:
        ended.set()
        reporter.join()


def _report(name: str, board: Any, ended: threading.Event) -> None:
    while not ended.wait(EVERY):
        with suppress(RuntimeError):  # the set of bars changed during the iteration
            for bar in list(getattr(tqdm, "_instances", ())):
                shown = bar.format_dict
                if shown["unit"] != "B":
                    progress = Progress(shown["n"], shown["total"], shown["unit"], shown["rate"])
                    board.write.remote(name, progress)


def _table(tasks: Sequence[Task], reports: dict[str, Progress], ended: dict[str, str]) -> Table:
    table = Table("part", "stage", "state", "done", "rate", "seconds left")
    for task in tasks:
        report = reports.get(task.name)
        state = ended.get(task.name) or ("at work" if report else "waiting")
        table.add_row(task.name, task.stage, state, *_cells(report, state))
    return table


def _cells(report: Progress | None, state: str) -> tuple[str, str, str]:
    if report is None:
        return "", "", ""
    total = f" of {report.total:.0f}" if report.total else ""
    rate = f"{report.rate:.2f} {report.unit}/s" if report.rate else ""
    left = report.seconds_left
    return f"{report.done:.0f}{total} {report.unit}", rate, f"{left:.0f}" if left and state == "at work" else ""
