"""A table for the terminal, for a README, and for a web page."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import jinja2
from markupsafe import Markup
from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement as Width
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from segshrink.reporting.table import Table

# Characters that Markdown takes as markup wherever they stand in a table cell.
_MARKDOWN_SPECIAL = "\\|`*_[]<>&~$"


def page_templates() -> jinja2.Environment:
    """The templates of this package; everything put into them is escaped."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader("segshrink.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def html_table(table: Table, label: str) -> Markup:
    """The table as an HTML fragment; `label` names it to screen readers."""
    template = page_templates().get_template("table.html")
    groups = column_groups(table)
    return Markup(template.render(table=table, label=label, groups=groups))


def column_groups(table: Table) -> list[list[int]]:
    """Places of the columns, those of one group together; others stand alone."""
    places = range(len(table.columns))
    by_group = groupby(places, key=lambda place: table.columns[place].group or place)
    return [list(group) for _, group in by_group]


def markdown_rows(table: Table) -> str:
    """The table in the Markdown of GitHub; the shipped row is bold."""
    headings = [markdown_text(column.full_heading) for column in table.columns]
    rules = ["---:" if column.is_number else "---" for column in table.columns]
    lines = [_markdown_line(headings), _markdown_line(rules)]
    for row in table.rows:
        cells = [markdown_text(cell) for cell in row.cells]
        if row.is_shipped:
            cells = [f"**{cell}**" if cell else "" for cell in cells]
        lines.append(_markdown_line(cells))
    return "\n".join(lines)


def _markdown_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def markdown_text(text: str) -> str:
    """`text` so that Markdown shows it as it is, on one line."""
    escapes = str.maketrans({each: f"\\{each}" for each in _MARKDOWN_SPECIAL})
    return " ".join(text.translate(escapes).split())


class TerminalTable:
    """A table that parts into several, one below the other, in a narrow terminal.

    Groups of columns stay together, and the first column stands in every part.
    """

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        """Yield as few tables as fit the width."""
        unbound = options.update(width=10_000, max_width=10_000)
        part: list[int] = []
        for group in column_groups(self._table):
            drawn = self._drawn([*part, *group])
            width = Width.get(console, unbound, drawn).maximum
            if len(part) > 1 and width > options.max_width:
                yield self._drawn(part)
                part = [0]
            part += group
        yield self._drawn(part)

    def _drawn(self, places: list[int]) -> RichTable:
        drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for place in places:
            column = self._table.columns[place]
            drawn.add_column(
                Text(column.full_heading),
                justify="right" if column.is_number else "left",
                no_wrap=place > 0 and not column.is_wrapped,
            )
        for row in self._table.rows:
            # Text instances, since a plain string would be read as console markup.
            cells = [Text(row.cells[place]) for place in places]
            style = "bold" if row.is_shipped else "dim" if row.is_faint else None
            drawn.add_row(*cells, style=style)
        return drawn


@dataclass(frozen=True)
class Summary:
    """A report without pictures: sentences, tables, small print, what to doubt."""

    sentences: Sequence[str]
    tables: Sequence[Table]
    notes: Sequence[str]
    warnings: Sequence[str]

    def for_terminal(self) -> RenderableType:
        """The summary for Rich to print."""
        small_print = Text("\n".join(self.notes), style="dim")
        return Group(
            *map(Text, self.sentences),
            *(TerminalTable(table.without_empty()) for table in self.tables),
            Padding(small_print, (0, 0, 1 if self.warnings else 0, 0)),
            *(Text(f"Warning: {line}", style="yellow") for line in self.warnings),
        )

    def as_markdown(self) -> str:
        """The summary for a README; ends with a line break."""
        blocks = [
            *map(markdown_text, self.sentences),
            *map(markdown_rows, self.tables),
            " ".join(map(markdown_text, self.notes)),
            *(f"**Warning:** {markdown_text(line)}" for line in self.warnings),
        ]
        return "\n\n".join(blocks) + "\n"
