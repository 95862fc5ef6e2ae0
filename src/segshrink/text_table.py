"""Tables of results that are printed, as Rich draws them and as plain text."""

import io
from collections.abc import Collection, Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

# No line of plain text is wrapped.
_WIDE = 10_000


def columns(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Collection[str] = (),
) -> Table:
    """A table without lines, whose long cells wrap where the terminal is narrow.

    Args:
        heads: heading of each column.
        rows: cells of each row.
        numbers: headings of the columns that hold numbers, aligned to the right.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
    for head in heads:
        is_number = head in numbers
        table.add_column(
            head, justify="right" if is_number else "left", no_wrap=is_number
        )
    for row in rows:
        # A plain string would be read as console markup.
        table.add_row(*map(Text, row))
    return table


def as_text(renderable: RenderableType) -> str:
    """The lines that Rich draws, without colours and as wide as they need to be."""
    written = io.StringIO()
    console = Console(file=written, width=_WIDE, color_system=None, highlight=False)
    console.print(renderable)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())
