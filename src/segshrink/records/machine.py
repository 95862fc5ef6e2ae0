"""The machine that measured: processor, cores, system and Python version."""

import os
import platform
from pathlib import Path

from segshrink.records.record import Record

# Of x86 and Arm, those that the speed of a model depends on.
_INSTRUCTION_SETS = (
    *("sse4_2", "avx", "fma", "avx2", "avx_vnni"),
    *("avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_int8"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2"),
)
_INT8_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}


class Machine(Record):
    """The machine that measured.

    `int8_dot_products` says whether the processor has instructions that make int8 files
    fast (VNNI, AMX, dot products of Arm); None where that is unknown. `cores` counts
    those that the process could use.
    """

    processor: str = "unknown processor"
    int8_dot_products: bool | None = None
    cores: int | None = None
    system: str = ""
    python: str = ""


def this_machine() -> Machine:
    """Describe the machine that runs this process."""
    return Machine(
        processor=_cpuinfo("model name") or platform.processor() or "unknown",
        int8_dot_products=_has_int8_dot_products(),
        cores=len(usable_cores()),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
    )


def usable_cores() -> list[int]:
    """Numbers of the processor cores that this process may use, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def instruction_sets() -> list[str]:
    """Instruction sets of the processor that matter here; empty if unknown."""
    return [name for name in _INSTRUCTION_SETS if name in _flags()]


def memory_bytes() -> int | None:
    """Bytes of the machine's memory; None if unknown."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _has_int8_dot_products() -> bool | None:
    known = _flags()
    return bool(_INT8_DOT_PRODUCTS & known) if known else None


def _flags() -> set[str]:
    # x86 calls them flags, Arm calls them features.
    return set((_cpuinfo("flags") or _cpuinfo("Features")).split())


def _cpuinfo(key: str) -> str:
    """Value that Linux gives for `key` of the first processor; empty without one."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
