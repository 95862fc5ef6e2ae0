"""segshrink evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segshrink.cli.data_options import RANDOM_PATCH, RUN, DataOptions
from segshrink.cli.figures import CsvFile, Figures, JsonFile
from segshrink.cli.options import (
    Architecture,
    Head,
    InputRangeName,
    ResizeMasks,
    SnapColors,
    SplitFile,
    SplitSeed,
    Threads,
    refuse_idle,
    refuse_unknown_part,
)
from segshrink.cli.random_patch import evaluate_random_patch
from segshrink.cli.scores import (
    class_rows,
    evaluation_record,
    opened_file,
    print_mean_iou_without,
    print_table,
    require_class,
    shown,
    warn_of_other_split,
)
from segshrink.cli.terminal import (
    TerminalProgress,
    load_keras_for,
    load_plots,
    output,
    say,
)
from segshrink.errors import UsageError
from segshrink.formats import Format, listed_suffixes

if TYPE_CHECKING:
    from segshrink.records.evaluation import DetailedQuality


def evaluate(
    artifact: Annotated[
        Path, typer.Argument(help=f"Model file: {listed_suffixes(Format)}.")
    ],
    data: Annotated[
        str | None,
        typer.Argument(
            help="Folder of images and masks, 'synthetic', or 'run' or a run folder: "
            "data, split and part of the run. Left out: the run that the file is of.",
            show_default=False,
        ),
    ] = None,
    data_option: Annotated[
        str | None, typer.Option("--data", help="The same as DATA.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="val or test (test, or that of the run).")
    ] = None,
    split: SplitFile = None,
    split_seed: SplitSeed = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    without: Annotated[
        str | None, typer.Option(help="Class to leave out of a second mean IoU.")
    ] = None,
    threads: Threads = 1,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for plots of confusion and reliability, and the worst images."
        ),
    ] = None,
    worst: Annotated[
        int | None, typer.Option(min=1, help="With --out: how many images (8).")
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="random-patch: that of published figures, which leaks. Its --split "
            "lists patches."
        ),
    ] = None,
    head: Head = None,
    input_range: InputRangeName = None,
    architecture: Architecture = None,
) -> None:
    """Measure a file's quality on whole images that it was not trained on.

    Scores by class, by scene and at the borders of classes, and which class is mistaken
    for which.

    Example: segshrink evaluate runs/first/artifacts/student-int8.tflite
    """
    figures = Figures(json_file, csv_file)
    say(f"Opening {artifact}")
    source = _source(artifact, data, data_option)
    options = DataOptions(
        source, split, split_seed, protocol, snap_colors, resize_masks, [artifact]
    )
    if options.protocol is not None:
        _refuse_for_patches(part=part, split_seed=split_seed, out=out, worst=worst)
        _refuse_for_patches(
            head=head, input_range=input_range, architecture=architecture
        )
        evaluate_random_patch(artifact, options, without, threads, figures)
        return
    refuse_unknown_part(part)
    _prepare_pictures(out, worst)
    load_keras_for(artifact)
    from segshrink.compression.input_range import require_range_of_file
    from segshrink.measuring.evaluation import evaluate_artifact, write_worst

    progress = TerminalProgress()
    opened = opened_file(artifact, threads, head, input_range, architecture, progress)
    dataset = options.open(progress)
    if input_range is None:
        require_range_of_file(opened, dataset)
    warn_of_other_split(opened.path, opened.metadata, dataset)
    classes, images = dataset.classes, getattr(dataset, options.part(part))
    require_class(without, classes.names)
    quality = evaluate_artifact(opened, images, classes, progress=progress)
    _print(quality)
    if without is not None:
        print_mean_iou_without(without, quality.confusion, classes.names)
    record = evaluation_record(opened, dataset, quality)
    figures.write(record.as_plain(), class_rows(quality))
    if out is not None:
        _write_plots(out, quality, classes.names)
        folder, count = out / "worst", worst or 8
        write_worst(
            opened, images, classes, quality, folder, count=count, progress=progress
        )
        output.out(f"Confusion, reliability and worst images: {out}")


def _source(artifact: Path, data: str | None, data_option: str | None) -> str:
    if data is not None:
        refuse_idle("beside DATA, which says the same", data=data_option)
    if (named := data or data_option) is not None:
        return named
    from segshrink.compression.run_folder import run_of_file

    if run_of_file(artifact) is None:
        raise UsageError(
            f"{artifact}: lies in no run folder, whose data would be taken. Name the "
            "data to measure on: a folder of images and masks, 'synthetic', or a run "
            "folder."
        )
    return RUN


def _prepare_pictures(out: Path | None, worst: int | None) -> None:
    if out is None:
        refuse_idle("without --out", worst=worst)
        return
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: a file. Name a folder, new or not.")
    load_plots()


def _refuse_for_patches(**idle: object) -> None:
    refuse_idle(
        f"with --protocol {RANDOM_PATCH}, which measures the validation patches of "
        "its --split",
        **idle,
    )


def _print(quality: DetailedQuality) -> None:
    from segshrink.metrics import quality_interval

    boundaries = quality.boundary_iou
    heads = ("class", "pixels", "IoU", "border IoU", "precision", "recall", "AP")
    rows = []
    for row, boundary in zip(quality.classes, boundaries.classes, strict=True):
        values = (row.iou, boundary, row.precision, row.recall, row.average_precision)
        rows.append((row.name, f"{row.pixels:,}", *map(shown, values)))
    print_table(heads, rows)
    scenes = [
        (x.name, str(x.images), shown(x.mean_iou), shown(x.pixel_accuracy))
        for x in quality.scenes
    ]
    print_table(("scene", "images", "mean IoU", "pixel accuracy"), scenes)
    output.out(
        f"{quality.images} images of {quality.part}: "
        f"mean IoU {shown(quality.mean_iou)}, "
        f"pixel accuracy {shown(quality.pixel_accuracy)}, "
        f"border IoU {shown(boundaries.mean)} (within {boundaries.share:.0%} of the "
        "diagonal)"
    )
    interval = quality_interval(quality)
    if interval is not None:
        output.out(
            f"Interval of 95 % of the mean IoU: {interval.low:.3f} to "
            f"{interval.high:.3f}, by bootstrap over the {interval.count} "
            f"{interval.units}"
        )
    if quality.calibration is not None:
        error = 100 * quality.calibration.expected_error
        output.out(
            f"expected calibration error {error:.1f} points: by so much its confidence "
            "differs from the share of right pixels"
        )


def _write_plots(folder: Path, quality: DetailedQuality, names: Sequence[str]) -> None:
    from segshrink.records import atomic_write
    from segshrink.reporting.plots.confusion import confusion_plot
    from segshrink.reporting.plots.reliability import reliability_plot
    from segshrink.reporting.plots.theme import LIGHT

    plots = [confusion_plot(quality.confusion, names)]
    if quality.calibration is not None:
        of_error = quality.calibration
        plots.append(reliability_plot(of_error.bins, of_error.expected_error))
    for plot in plots:
        with atomic_write(folder / f"{plot.stem}.png") as partial:
            partial.write_bytes(plot.png(LIGHT))
