"""Name of the processor that a benchmark ran on."""

from upscaler.engines import processor
from upscaler.engines.cores import cores

_WORTH_NAMING = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def description() -> str:
    """Describe the processor: its name, the cores that this process may use, and what speeds up a network."""
    flags = processor.flags()
    named = [flag for flag in _WORTH_NAMING if flag in flags]
    return ", ".join([processor.name() or "a processor without a name", f"{cores()} cores", *named])
