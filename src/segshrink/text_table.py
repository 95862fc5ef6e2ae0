"""Tables of results that are printed, as Rich draws them and as plain text."""

import io
from collections.abc import Collection, Iterable, Sequence

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

# No line of plain text is wrapped.
_WIDE = 10_000
_NOTEBOOK = 100
_HTML = '<pre style="line-height: normal; font-family: monospace">{code}</pre>'


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


def without_empty(
    heads: Sequence[str], rows: Sequence[Sequence[str]], missing: Collection[str]
) -> tuple[list[str], list[list[str]]]:
    """The columns in which something is known.

    Args:
        heads: heading of each column.
        rows: cells of each row.
        missing: texts of cells whose value is not known.
    """
    known = [
        place
        for place in range(len(heads))
        if not rows or any(row[place] not in missing for row in rows)
    ]
    return [heads[x] for x in known], [[row[x] for x in known] for row in rows]


class ShownInNotebooks:
    """Base of what Rich can draw, so that a notebook shows the same as `print`."""

    def _repr_html_(self) -> str:
        console = Console(file=io.StringIO(), width=_NOTEBOOK, record=True)
        # A base says nothing of `__rich__`, which its classes have.
        console.print(self)
        return console.export_html(code_format=_HTML, inline_styles=True)


def as_text(renderable: RenderableType) -> str:
    """The lines that Rich draws, without colours and as wide as they need to be."""
    written = io.StringIO()
    console = Console(
        file=written,
        width=_WIDE,
        color_system=None,
        highlight=False,
        markup=False,
        emoji=False,
    )
    console.print(renderable)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())
