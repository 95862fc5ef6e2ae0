"""The record of files that `segshrink benchmark` measured side by side."""

from collections.abc import Mapping

from segshrink.records.machine import Machine
from segshrink.records.measurement import (
    Count,
    DataRecord,
    Latency,
    ModelCost,
    Quality,
    Size,
)
from segshrink.records.record import SparseRecord


class Memory(SparseRecord):
    """Peak memory of a fresh process that opens a file and predicts with it.

    `model_bytes` is the part of `peak_bytes` that came after the import of the runtime.
    """

    threads: int | None = None
    peak_bytes: Count
    model_bytes: Count


class BenchmarkFile(SparseRecord):
    """One file: its size, its memory and its latency for each number of threads.

    `model` is None where the file does not say what it costs, `quality` where no data
    was given.
    """

    file: str
    runtime: str
    runtime_version: str = ""
    size: Size
    memory: Memory | None = None
    model: ModelCost | None = None
    quality: Quality | None = None
    latency: tuple[Latency, ...]


class Benchmark(SparseRecord):
    """Files side by side, `segshrink benchmark --json`.

    `peak_macs_per_second` is what the machine multiplies at most, by the number of
    threads. The latencies of each file are in the order of these numbers.
    """

    machine: Machine = Machine()
    peak_macs_per_second: Mapping[str, float]
    data: DataRecord | None = None
    files: tuple[BenchmarkFile, ...]
