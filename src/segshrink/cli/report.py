"""segshrink report."""

from pathlib import Path
from typing import Annotated

import typer

from segshrink.cli.terminal import TerminalProgress, output


def report(
    run: Annotated[Path, typer.Argument(help="Run folder of `compress`.")],
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as Markdown only.")
    ] = False,
) -> None:
    """Write the report of a run anew from its records, and print the table.

    Example: segshrink report runs/first
    """
    from segshrink.reporting import markdown_table, summary_table, write_report

    if markdown:
        output.out(markdown_table(run))
        return
    page = write_report(run, TerminalProgress())
    output.print(summary_table(run))
    output.out(f"Report: {page}")
