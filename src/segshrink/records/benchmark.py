"""The record of `segshrink benchmark --json`."""

from collections.abc import Mapping

from segshrink.records.machine import Machine
from segshrink.records.measurement import (
    DataRecord,
    Latency,
    ModelCost,
    Quality,
    Size,
)
from segshrink.records.record import SparseRecord


class BenchmarkFile(SparseRecord):
    """One file of a benchmark; `latency` has one entry per number of threads."""

    file: str
    runtime: str
    runtime_version: str = ""
    size: Size
    model: ModelCost | None = None
    latency: tuple[Latency, ...]
    quality: Quality | None = None


class Benchmark(SparseRecord):
    """Files beside each other on one machine.

    `peak_macs_per_second` is keyed by the number of threads.
    """

    peak_macs_per_second: Mapping[str, float]
    files: tuple[BenchmarkFile, ...]
    data: DataRecord | None = None
    machine: Machine = Machine()
