"""A table for the terminal, for a README, and for a web page."""

from collections.abc import Sequence

import jinja2
from markupsafe import Markup
from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement as Width
from rich.table import Table as RichTable
from rich.text import Text

from segshrink.records.measurement import Role
from segshrink.reporting.table import Column, Row, Table

_SHIPPED_STYLE = "bold"
_BASELINE_STYLE = "dim"
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
    return Markup(
        template.render(table=table, label=label, groups=_group_spans(table.columns))
    )


def _group_spans(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """Neighbouring columns of one group as (group, number of columns)."""
    spans: list[tuple[str, int]] = []
    for column in columns:
        if spans and column.group and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + 1)
        else:
            spans.append((column.group, 1))
    return spans


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
    escaped = "".join(
        f"\\{each}" if each in _MARKDOWN_SPECIAL else each for each in text
    )
    return " ".join(escaped.split())


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
        for places in self._parts(console, options):
            yield self._drawn(places)

    def _parts(self, console: Console, options: ConsoleOptions) -> list[list[int]]:
        parts: list[list[int]] = []
        for group in self._column_groups():
            joined = [*parts[-1], *group] if parts else [0, *group]
            if parts and not self._fits(joined, console, options):
                parts.append([0, *group])
            elif parts:
                parts[-1] = joined
            else:
                parts.append(joined)
        return parts

    def _fits(
        self, places: list[int], console: Console, options: ConsoleOptions
    ) -> bool:
        unbound = options.update(width=10_000, max_width=10_000)
        width = Width.get(console, unbound, self._drawn(places)).maximum
        return width <= options.max_width

    def _column_groups(self) -> list[list[int]]:
        """Places of the columns after the first, those of one group together."""
        groups: list[list[int]] = []
        for place, column in enumerate(self._table.columns):
            before = self._table.columns[place - 1].group
            if place > 1 and column.group and column.group == before:
                groups[-1].append(place)
            elif place > 0:
                groups.append([place])
        return groups

    def _drawn(self, places: list[int]) -> RichTable:
        drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for place in places:
            column = self._table.columns[place]
            justify = "right" if column.is_number else "left"
            drawn.add_column(
                Text(column.full_heading),
                justify=justify,  # type: ignore[arg-type]
                no_wrap=place > 0 and not column.is_wrapped,
            )
        for row in self._table.rows:
            # Text instances, since a plain string would be read as console markup.
            cells = [Text(row.cells[place]) for place in places]
            drawn.add_row(*cells, style=_style(row))
        return drawn


def _style(row: Row) -> str | None:
    if row.is_shipped:
        return _SHIPPED_STYLE
    is_faint = row.is_faint or row.role in (Role.MASKS_ONLY, Role.NO_TEACHER)
    return _BASELINE_STYLE if is_faint else None
