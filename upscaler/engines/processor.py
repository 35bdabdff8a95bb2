"""Identity and instruction sets of the processor."""

import platform
from itertools import takewhile
from pathlib import Path

_PROCESSOR = Path("/proc/cpuinfo")
_FLAGS = "flags"
# Those on which speed depends, and which stay the same from start to start; the last four are of ARM
_FACTS = {"vendor_id", "cpu family", "model", "model name", "stepping", _FLAGS}
_FACTS |= {"CPU implementer", "CPU part", "CPU revision", "Features"}


def identity() -> str:
    """Return a text that differs between processors of different speed, with all their instruction sets on Linux."""
    facts = sorted(f"{name}: {value}" for name, value in _first_core().items() if name in _FACTS)
    return "\n".join(facts) or f"{platform.machine()} {platform.processor()}"


def name() -> str:
    """Return the processor's name, as sold; "" if the system does not tell."""
    return _first_core().get("model name", platform.processor())


def flags() -> set[str]:
    """Return the names of the instruction sets as Linux spells them on x86; none elsewhere."""
    return set(_first_core().get(_FLAGS, "").split())


def has_amx() -> bool:
    """Return True if the processor is known to have AMX, which multiplies matrices in bf16."""
    return "amx_bf16" in flags()


def _first_core() -> dict[str, str]:
    if not _PROCESSOR.exists():
        return {}
    with _PROCESSOR.open(encoding="utf-8", errors="replace") as file:
        pairs = (line.partition(":") for line in takewhile(str.strip, file))  # to the empty line after the first core
        return {name.strip(): value.strip() for name, _, value in pairs}
