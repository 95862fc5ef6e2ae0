"""segshrink report."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.figures import CsvFile, Figures, JsonFile
from segshrink.cli.options import refuse_idle
from segshrink.cli.terminal import TerminalProgress, output, say


def report(
    run: Annotated[Path, typer.Argument(help="Folder of `compress` or `search`.")],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as Markdown only.")
    ] = False,
    json_file: JsonFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Rebuild the report of a run or a search from its records, and print its table.

    The table of a search lists the Pareto front, or the ten best trials.

    Example: segshrink report runs/first
    """
    figures = Figures(json_file, csv_file)
    if markdown:
        refuse_idle("with --markdown", json=json_file, csv=csv_file)
    say(f"Reading {run}")
    from segshrink import reporting

    is_search = reporting.is_search(run)
    if markdown:
        as_markdown = (
            reporting.markdown_search_table if is_search else reporting.markdown_table
        )
        output.out(as_markdown(run))
        return
    write = reporting.write_search_report if is_search else reporting.write_report
    table = reporting.search_table if is_search else reporting.summary_table
    page = write(run, TerminalProgress())
    output.print(table(run))
    if not is_search:
        print_file_in_use(run)
    output.out(f"Report: {page}")
    write_figures(run, figures)


def write_figures(run: Path, figures: Figures) -> None:
    """Write the figures of the files of a run, or of the trials of a search."""
    from segshrink import reporting
    from segshrink.reporting.figures import result_rows, trial_rows

    if reporting.is_search(run):
        record = reporting.read_search(run)
        figures.write(record.as_plain(), trial_rows(record))
    else:
        rows = result_rows(run)
        figures.write(rows, rows)


def print_file_in_use(run: Path) -> None:
    """Print the file that a run is for, and a command to try it."""
    from segshrink.reporting import read_run
    from segshrink.reporting.use import file_in_use

    use = file_in_use(read_run(run))
    if use is not None:
        output.out(use.sentence())
