"""The record of a benchmark as tables, and as rows of figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from segshrink.cli.scores import print_table
from segshrink.cli.terminal import output

if TYPE_CHECKING:
    from segshrink.records.benchmark import Benchmark, BenchmarkFile
    from segshrink.records.measurement import Latency


def print_benchmark(found: Benchmark, rounds: int) -> None:
    """Print size and memory of the files, and their latency for each thread count."""
    from segshrink.reporting.caption import machine_text

    _print_files(found)
    for place, count in enumerate(found.peak_macs_per_second):
        _print_latency(found, place, count)
    if any(timed.spread_doubtful for x in found.files for timed in x.latency):
        output.out(
            "doubtful: the quartiles lie further apart than a quarter of the median. "
            "Something else kept the machine busy; measure again on a quiet one."
        )
    output.out(f"{rounds} rounds, {machine_text(found.machine)}")


def benchmark_rows(found: Benchmark) -> Iterator[dict[str, object]]:
    """A row of figures for each file and number of threads, units in the headings."""
    for entry in found.files:
        for timed in entry.latency:
            yield {
                "file": entry.file,
                "runtime": entry.runtime,
                "threads": timed.threads,
                "size_bytes": entry.size.size_bytes,
                "gzipped_bytes": entry.size.gzipped_bytes,
                "parameters": entry.model.parameters if entry.model else None,
                "macs": entry.model.macs if entry.model else None,
                "memory_bytes": entry.memory.model_bytes if entry.memory else None,
                "mean_iou": entry.quality.mean_iou if entry.quality else None,
                "median_ms": timed.median_ms,
                "p25_ms": timed.p25_ms,
                "p75_ms": timed.p75_ms,
                "spread_doubtful": bool(timed.spread_doubtful),
                "macs_per_second": timed.macs_per_second,
            }


def _print_files(found: Benchmark) -> None:
    heads = ("file", "size", "gzipped", "weights", "MACs", "memory", "mIoU %")
    print_table(heads, [_file_cells(entry) for entry in found.files])
    memory = found.files[0].memory
    threads = memory.threads if memory and memory.threads else 1
    output.out(
        "Memory: bytes that a fresh process needs beyond the runtime itself, with "
        f"{threads} thread{'s' * (threads > 1)}."
    )


def _file_cells(entry: BenchmarkFile) -> tuple[str, ...]:
    from segshrink.reporting.units import human_bytes, human_count, human_percent

    model, quality = entry.model, entry.quality
    return (
        entry.file,
        human_bytes(entry.size.size_bytes),
        human_bytes(entry.size.gzipped_bytes),
        human_count(model.parameters if model else None),
        human_count(model.macs if model else None),
        human_bytes(entry.memory.model_bytes if entry.memory else None),
        human_percent(quality.mean_iou if quality else None),
    )


def _print_latency(found: Benchmark, place: int, count: str) -> None:
    from segshrink.reporting.units import MISSING

    peak, first = found.peak_macs_per_second[count], found.files[0]
    base = first.latency[place].median_ms
    rows = [
        (entry.file, *_latency_cells(entry.latency[place], base, peak))
        for entry in found.files
    ]
    if len(rows) == 1:
        # It would be compared with itself.
        rows = [
            (name, ms, range_, MISSING, *rest) for name, ms, range_, _, *rest in rows
        ]
    heads = ("file", "median ms", "quartiles", "faster", "GMAC/s", "% of peak")
    print_table(heads, rows)
    threads = "1 thread" if count == "1" else f"{count} threads"
    faster = f"; faster: against {first.file}" if len(rows) > 1 else ""
    output.out(f"{threads}{faster}; peak of a matrix product {peak / 1e9:.0f} GMAC/s")


def _latency_cells(timed: Latency, base_ms: float, peak: float) -> tuple[str, ...]:
    from segshrink.reporting.units import MISSING, human_ms, human_ratio

    doubt = " (doubtful)" if timed.spread_doubtful else ""
    rate = timed.macs_per_second
    return (
        human_ms(timed.median_ms),
        f"{human_ms(timed.p25_ms)} - {human_ms(timed.p75_ms)}{doubt}",
        human_ratio(base_ms / timed.median_ms),
        MISSING if rate is None else f"{rate / 1e9:.1f}",
        MISSING if rate is None else f"{100 * rate / peak:.0f}",
    )
