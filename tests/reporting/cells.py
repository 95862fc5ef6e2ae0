"""Reads cells of a table, for tests."""

from segshrink.reporting.table import Table


def column_cells(table: Table, heading: str) -> tuple[str, ...]:
    """All cells below `heading`, from the top."""
    place = [column.heading for column in table.columns].index(heading)
    return tuple(row.cells[place] for row in table.rows)
