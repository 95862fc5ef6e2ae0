"""segshrink benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.options import Threads
from segshrink.cli.terminal import TerminalProgress, load_keras, output


def benchmark(
    files: Annotated[list[Path], typer.Argument(help="Files to time, in turn.")],
    threads: Threads = 1,
    rounds: Annotated[int, typer.Option(min=3, help="Samples of each file.")] = 15,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write the records here.")
    ] = None,
) -> None:
    """Time one image through each file, interleaved, in its own runtime.

    Example: segshrink benchmark teacher.tflite student-int8.tflite --threads 1
    """
    from rich.table import Table

    load_keras()
    from segshrink.measuring import measure_latency, measure_size
    from segshrink.records import machine_facts, write_json

    latency = measure_latency(
        files, threads=threads, rounds=rounds, progress=TerminalProgress()
    )
    first = next(iter(latency.values()))["median_ms"]
    table = Table("file", "size kB", "gzipped kB", "median ms", "quartiles", "x faster")
    table.columns[0].no_wrap = True
    records = []
    for path, timed in latency.items():
        size = measure_size(path)
        records.append({"file": path.name, "size": size, "latency": timed})
        doubt = " (doubtful)" if timed.get("spread_doubtful") else ""
        table.add_row(
            path.name,
            f"{size['size_bytes'] / 1000:,.1f}",
            f"{size['gzipped_bytes'] / 1000:,.1f}",
            f"{timed['median_ms']:.2f}",
            f"{timed['p25_ms']:.2f} - {timed['p75_ms']:.2f}{doubt}",
            f"{first / timed['median_ms']:.2f}",
        )
    output.print(table)
    machine = machine_facts()
    output.out(f"{threads} thread(s), {rounds} rounds, {machine['processor']}")
    if json_file is not None:
        write_json(json_file, {"machine": machine, "files": records})
