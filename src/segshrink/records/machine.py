"""The machine that measured: processor, cores, system and Python version."""

import os
import platform
from pathlib import Path
from typing import Any


def machine_facts() -> dict[str, Any]:
    """Processor, cores this process may use, system and Python version.

    `int8_dot_products` says whether the processor has instructions that int8 files are
    fast by (VNNI, AMX, dot products of Arm); null where it cannot be told.
    """
    return {
        "processor": _processor_name(),
        "int8_dot_products": _has_int8_dot_products(),
        "cores": len(usable_cores()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def usable_cores() -> list[int]:
    """Numbers of the processor cores that this process may use, ascending."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


_INT8_DOT_PRODUCTS = {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}


def _processor_name() -> str:
    return _cpuinfo("model name") or platform.processor() or "unknown"


def _has_int8_dot_products() -> bool | None:
    # x86 names them flags, Arm features.
    known = _cpuinfo("flags") or _cpuinfo("Features")
    return bool(_INT8_DOT_PRODUCTS & set(known.split())) if known else None


def _cpuinfo(key: str) -> str:
    """What Linux tells of the first processor under that name; empty if nothing."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
