"""Files beside each other: quality, latency, memory, size and use of the machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from segshrink.data import Dataset
from segshrink.measuring.latency import measure_latency
from segshrink.measuring.machine_peak import measure_peak_macs
from segshrink.measuring.memory import measure_memory
from segshrink.measuring.quality import measure_quality
from segshrink.measuring.size import measure_size
from segshrink.progress import Progress, SilentProgress
from segshrink.records import this_machine
from segshrink.records.measurement import ModelCost
from segshrink.runtimes import load_artifact


def benchmark_files(
    paths: Sequence[Path | str],
    *,
    threads: Sequence[int] = (1,),
    rounds: int = 15,
    dataset: Dataset | None = None,
    part: str = "test",
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure files, each in its own runtime.

    Args:
        paths: files that `load_artifact` opens.
        threads: numbers of threads, each measured by itself.
        rounds: as for `measure_latency`.
        dataset: with it, quality is measured too.
        part: "val" or "test", where quality is measured.
        progress: told of all long work.

    Returns:
        Plain data: `"machine"`, `"peak_macs_per_second"` by number of threads, and
        `"files"`, each with `"file"`, `"size"`, `"memory"`, `"model"` (weights and MACs
        where the file tells them, else None), `"quality"` (None without `dataset`) and
        `"latency"`, one record for each number of threads, with `"macs_per_second"`
        where the MACs are known.

    Raises:
        UsageError, ModelError, MissingExtraError: as those for the single measures.
    """
    progress = progress or SilentProgress()
    files = [Path(path) for path in paths]
    # First, since it opens all files: a fault of the last must not cost the others.
    timed = [
        measure_latency(files, threads=count, rounds=rounds, progress=progress)
        for count in threads
    ]
    peaks = {str(count): measure_peak_macs(threads=count) for count in threads}
    progress.start(f"memory of {len(files)} files", len(files))
    entries = []
    for path in files:
        entries.append(_entry(path, [each[path] for each in timed], threads[0]))
        progress.advance(file=path.name)
    progress.finish()
    if dataset is not None:
        for path, entry in zip(files, entries, strict=True):
            entry["quality"] = measure_quality(
                load_artifact(path), getattr(dataset, part), dataset.classes,
                progress=progress,
            )  # fmt: skip
    return {
        "machine": this_machine().as_plain(),
        "peak_macs_per_second": peaks,
        "data": None
        if dataset is None
        else {"name": dataset.name, "split": dataset.split.as_record()},
        "files": entries,
    }


def _entry(
    path: Path, latency: list[dict[str, Any]], memory_threads: int
) -> dict[str, Any]:
    artifact = load_artifact(path)
    model = artifact.metadata.model if artifact.metadata else ModelCost()
    macs = model.macs
    if macs is not None:
        for record in latency:
            record["macs_per_second"] = 1000 * macs / record["median_ms"]
    return {
        "file": path.name,
        "runtime": artifact.runtime,
        "runtime_version": artifact.runtime_version,
        "size": measure_size(path),
        "memory": {
            "threads": memory_threads,
            **measure_memory(path, threads=memory_threads),
        },
        "model": None if macs is None else model.as_plain(),
        "quality": None,
        "latency": latency,
    }
