"""segshrink compress."""

from typing import Annotated

import typer

from segshrink.cli.figures import CsvFile, Figures, JsonFile
from segshrink.cli.options import (
    Data,
    Devices,
    Out,
    RecipeFile,
    ResizeMasks,
    Seed,
    Settings,
    SnapColors,
    SplitFile,
    Unlabelled,
    assemble_recipe,
    device_count,
    with_masks,
)
from segshrink.cli.report import print_file_in_use, write_figures
from segshrink.cli.terminal import TerminalProgress, load_keras, output


def compress(
    data: Data,
    out: Out,
    recipe: RecipeFile = None,
    split: SplitFile = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    unlabelled: Unlabelled = None,
    settings: Settings = None,
    seed: Seed = None,
    devices: Devices = "1",
    baselines: Annotated[
        bool | None,
        typer.Option(
            "--baselines/--no-baselines",
            help="Also train the baselines: masks only, and without a teacher.",
        ),
    ] = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Run all stages: teacher, pruning, distillation, export, measurement, report.

    If the command was stopped, repeat it to resume.

    Example: segshrink compress path/to/dataset --out runs/first
    """
    figures = Figures(json_file, csv_file)
    count = device_count(devices)
    settings = with_masks(settings, snap_colors=snap_colors, resize_masks=resize_masks)
    chosen = assemble_recipe(
        data,
        recipe,
        settings,
        split=split,
        seed=seed,
        unlabelled=unlabelled,
        baselines=baselines,
    )
    load_keras()
    from segshrink.compression.pipeline import compress as run_pipeline
    from segshrink.reporting import summary_table

    run = run_pipeline(
        chosen, out, progress=TerminalProgress(), devices=count, is_announced=True
    )
    output.print(summary_table(run.folder))
    print_file_in_use(run.folder)
    output.out(f"Report: {run.report}")
    write_figures(run.folder, figures)
