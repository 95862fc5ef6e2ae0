"""segshrink benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segshrink.cli.benchmark_table import benchmark_rows, print_benchmark
from segshrink.cli.data_options import DataOptions
from segshrink.cli.figures import CsvFile, Figures, JsonFile
from segshrink.cli.options import (
    Architecture,
    Head,
    InputRangeName,
    ResizeMasks,
    SnapColors,
    SplitFile,
    SplitSeed,
    refuse_idle,
    refuse_unknown_part,
)
from segshrink.cli.scores import tell_window, warn_of_other_split
from segshrink.cli.terminal import TerminalProgress, load_keras_for, load_plots, say
from segshrink.errors import UsageError
from segshrink.formats import Format, InputRange

if TYPE_CHECKING:
    from segshrink.data import Dataset
    from segshrink.records.benchmark import Benchmark
    from segshrink.runtimes import Artifact, Opening


def benchmark(
    files: Annotated[list[Path], typer.Argument(help="Files to time, in turn.")],
    threads: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Repeatable; by default 1, and all cores."),
    ] = None,
    rounds: Annotated[int, typer.Option(min=3, help="Samples of each file.")] = 15,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set to measure the quality on; 'run' for data, split and part "
            "of the run that the files are of."
        ),
    ] = None,
    split: SplitFile = None,
    split_seed: SplitSeed = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    part: Annotated[
        str | None,
        typer.Option(help="With --data: val or test (test, or that of the run)."),
    ] = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="PNG to draw: quality over latency with --data, else the latencies."
        ),
    ] = None,
    head: Head = None,
    input_range: InputRangeName = None,
    architecture: Architecture = None,
) -> None:
    """Time one image through each file, interleaved, in its own runtime.

    Also measures size, peak memory of a fresh process and, for files that segshrink
    exported, the share of the machine's peak arithmetic rate that they reach.

    Example: segshrink benchmark teacher.tflite student-int8.tflite --threads 1
    """
    figures = Figures(json_file, csv_file)
    say(f"Opening {', '.join(map(str, files))}")
    options = DataOptions(
        data, split, split_seed, None, snap_colors, resize_masks, files
    )
    options.refuse_without_data(part=part, input_range=input_range)
    _refuse_without_such_files(files, head, architecture)
    refuse_unknown_part(part)
    if plot is not None and plot.suffix.lower() != ".png":
        raise UsageError(f"--plot {plot}: the plot is a PNG. End its name in .png.")
    if plot is not None:
        load_plots()
    load_keras_for(*files)
    from segshrink.measuring.benchmark import benchmark_files
    from segshrink.records import usable_cores
    from segshrink.runtimes import Opening

    opening = Opening(head, input_range or InputRange.BYTES, architecture)
    progress = TerminalProgress()
    dataset = options.open(progress) if options.is_given else None
    for artifact in _opened(files, opening, input_range):
        tell_window(artifact, progress)
        if dataset is not None:
            _check(artifact, dataset, is_range_given=input_range is not None)
    counts = threads or sorted({1, len(usable_cores())})
    found = benchmark_files(
        files,
        threads=list(dict.fromkeys(counts)),
        rounds=rounds,
        dataset=dataset,
        part=options.part(part),
        progress=progress,
        opening=opening,
    )
    print_benchmark(found, rounds)
    figures.write(found.as_plain(), benchmark_rows(found))
    if plot is not None:
        _write_plot(plot, found)


def _opened(
    files: list[Path], opening: Opening, input_range: InputRange | None
) -> list[Artifact]:
    from segshrink.runtimes.loading import says_range

    artifacts = [opening.load(file) for file in files]
    if all(map(says_range, artifacts)):
        refuse_idle("where every file says its range itself", input_range=input_range)
    return artifacts


def _refuse_without_such_files(
    files: list[Path], head: str | None, architecture: Path | None
) -> None:
    formats = {Format.of_file(file) for file in files}
    if not formats & {Format.KERAS, Format.SAVED_MODEL}:
        refuse_idle("without a Keras model or a SavedModel among the files", head=head)
    if Format.KERAS not in formats:
        refuse_idle("without a Keras model among the files", architecture=architecture)


def _check(artifact: Artifact, dataset: Dataset, *, is_range_given: bool) -> None:
    from segshrink.compression.input_range import require_range_of_file

    warn_of_other_split(artifact.path, artifact.metadata, dataset)
    if not is_range_given:
        require_range_of_file(artifact, dataset)


def _write_plot(path: Path, found: Benchmark) -> None:
    from segshrink.records import atomic_write
    from segshrink.reporting.plots.benchmark import benchmark_plot
    from segshrink.reporting.plots.theme import LIGHT

    plot = benchmark_plot(found)
    with atomic_write(path) as partial:
        partial.write_bytes(plot.png(LIGHT))
