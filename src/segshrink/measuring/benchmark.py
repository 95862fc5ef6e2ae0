"""Files side by side: quality, latency, memory, size and use of the machine."""

from collections.abc import Sequence
from pathlib import Path

from segshrink.data import Dataset
from segshrink.measuring.latency import measure_latency
from segshrink.measuring.machine_peak import measure_peak_macs
from segshrink.measuring.memory import measure_memory
from segshrink.measuring.quality import measure_quality
from segshrink.measuring.record import data_record
from segshrink.measuring.size import measure_size
from segshrink.progress import Progress, SilentProgress
from segshrink.records import this_machine
from segshrink.records.benchmark import Benchmark, BenchmarkFile
from segshrink.records.measurement import Latency, ModelCost
from segshrink.runtimes import Opening


def benchmark_files(
    paths: Sequence[Path | str],
    *,
    threads: Sequence[int] = (1,),
    rounds: int = 15,
    dataset: Dataset | None = None,
    part: str = "test",
    progress: Progress | None = None,
    opening: Opening | None = None,
) -> Benchmark:
    """Measure files, each in its own runtime.

    Args:
        paths: files that `load_artifact` opens.
        threads: numbers of threads, each measured by itself.
        rounds: as for `measure_latency`.
        dataset: with it, quality is measured too.
        part: "val" or "test", where quality is measured.
        progress: receives the progress of all long work.
        opening: how the files are opened.

    Returns:
        The record of the files, in the order of `paths`.

    Raises:
        UsageError, ModelError, MissingExtraError: as the single measures raise them.
    """
    progress, opening = progress or SilentProgress(), opening or Opening()
    files = [Path(path) for path in paths]
    # Latency comes first, since it opens all files: a fault of the last file must not
    # cost the measurements of the others.
    timed = [
        measure_latency(
            files, threads=count, rounds=rounds, progress=progress, opening=opening
        )
        for count in threads
    ]
    peaks = {str(count): measure_peak_macs(threads=count) for count in threads}
    progress.start(f"memory of {len(files)} files", len(files))
    entries = []
    for path in files:
        latency = [each[path] for each in timed]
        entries.append(_entry(path, latency, threads[0], opening))
        progress.advance(file=path.name)
    progress.finish()
    if dataset is not None:
        measured = getattr(dataset, part)
        qualities = [
            measure_quality(
                opening.load(path), measured, dataset.classes, progress=progress
            )
            for path in files
        ]
        entries = [
            entry.model_copy(update={"quality": quality})
            for entry, quality in zip(entries, qualities, strict=True)
        ]
    return Benchmark(
        machine=this_machine(),
        peak_macs_per_second=peaks,
        data=None if dataset is None else data_record(dataset),
        files=tuple(entries),
    )


def _entry(
    path: Path, latency: Sequence[Latency], memory_threads: int, opening: Opening
) -> BenchmarkFile:
    artifact = opening.load(path)
    model = artifact.metadata.model if artifact.metadata else ModelCost()
    if model.macs is not None:
        latency = [_with_rate(each, model.macs) for each in latency]
    return BenchmarkFile(
        file=path.name,
        runtime=artifact.runtime,
        runtime_version=artifact.runtime_version,
        size=measure_size(path),
        memory=measure_memory(path, threads=memory_threads, opening=opening),
        model=None if model.macs is None else model,
        quality=None,
        latency=tuple(latency),
    )


def _with_rate(latency: Latency, macs: int) -> Latency:
    rate = 1000 * macs / latency.median_ms
    return latency.model_copy(update={"macs_per_second": rate})
