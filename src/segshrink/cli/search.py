"""segshrink search."""

from typing import Annotated

import typer

from segshrink.cli.figures import CsvFile, Figures, JsonFile
from segshrink.cli.options import (
    Data,
    Out,
    RecipeFile,
    ResizeMasks,
    Seed,
    Settings,
    SnapColors,
    SplitFile,
    assemble_search,
    with_masks,
)
from segshrink.cli.report import write_figures
from segshrink.cli.terminal import TerminalProgress, load_keras, output


def search(
    data: Data,
    out: Out,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Number of trials in total; default 20.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0, help="Minutes after which no trial begins."),
    ] = None,
    latency_ms: Annotated[
        float | None, typer.Option(min=0, help="Limit of latency in milliseconds.")
    ] = None,
    size_bytes: Annotated[
        int | None, typer.Option(min=1, help="Limit of the file's size in bytes.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="miou, val_loss, or front (mIoU against latency)."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Trials at a time, which share the cores.")
    ] = 1,
    storage: Annotated[
        str | None,
        typer.Option(help="URL of a database, to search on several hosts together."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            help="Run the trials on a Ray cluster: local, auto, or ray://HOST:10001."
        ),
    ] = None,
    recipe: RecipeFile = None,
    split: SplitFile = None,
    snap_colors: SnapColors = False,
    resize_masks: ResizeMasks = False,
    settings: Settings = None,
    seed: Seed = None,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Search for the best small model under limits of latency and size.

    One teacher is trained; each trial makes, distils, exports and measures a student.
    The recipe's section `search` says what is tried (see recipes/search.yaml). OUT gets
    best.yaml, a recipe for `compress`, the files of the Pareto front, a report, and
    study.log, an Optuna journal. The same command resumes a search that was killed.

    Example: segshrink search synthetic --out runs/s --trials 8 --latency-ms 20
    """
    figures = Figures(json_file, csv_file)
    settings = with_masks(settings, snap_colors=snap_colors, resize_masks=resize_masks)
    search_recipe = assemble_search(
        data,
        recipe,
        settings,
        split=split,
        seed=seed,
        search={
            "trials": trials,
            "minutes": minutes,
            "objective": objective,
            "limits.latency_ms": latency_ms,
            "limits.size_bytes": size_bytes,
        },
    )
    load_keras()
    from segshrink.cli.search_watcher import TerminalWatcher
    from segshrink.reporting import search_table, write_search_report
    from segshrink.search import search as run_search

    result = run_search(
        search_recipe,
        out,
        workers=workers,
        storage=storage,
        ray=ray,
        progress=TerminalProgress(),
        watcher=TerminalWatcher(),
    )
    page = write_search_report(out, TerminalProgress())
    output.print(search_table(out))
    output.out(f"Recipe: {result.recipe}")
    output.out(f"Report: {page}")
    write_figures(out, figures)
