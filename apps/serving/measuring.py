"""Program of the process that measures engines, so that the serving process loads none."""

from collections.abc import Mapping
from typing import Any

from apps.serving import loading
from apps.serving.jobs import Job, serve
from upscaler.engines import probe
from upscaler.engines.devices import Device, gpu_for
from upscaler.engines.precision import Choice


def prepare(
    model: dict[str, Any], choices: list[dict[str, Any]], device: Device
) -> tuple[Mapping[str, Job], dict[str, Any]]:
    """Measure choices for a model; return no jobs, and the costs as facts."""
    measured = probe.measure(loading.read(**model), [Choice(**choice) for choice in choices], gpu_for(device))
    return {}, {"costs": measured}


if __name__ == "__main__":
    serve(prepare)
