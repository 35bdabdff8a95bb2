"""Name of the processor that a benchmark ran on."""

import platform
from pathlib import Path

from upscaler.engines.cores import cores

_PROCESSOR = Path("/proc/cpuinfo")
_WORTH_NAMING = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimddp", "bf16")


def description() -> str:
    """Describe the processor: its name, the cores that this process may use, and what speeds up a network."""
    if not _PROCESSOR.exists():
        return f"{platform.processor() or platform.machine()}, {cores()} cores"
    lines = (line.partition(":") for line in _PROCESSOR.read_text(encoding="utf-8").splitlines())
    said = {key.strip(): value.strip() for key, _, value in lines}
    flags = set(said.get("flags", said.get("Features", "")).split())
    name = said.get("model name", platform.machine())
    return f"{name}, {cores()} cores, {', '.join(flag for flag in _WORTH_NAMING if flag in flags)}"
