"""Tables of results as plain text and in a narrow terminal."""

import io

from rich.console import Console
from rich.table import Table

from segshrink.text_table import as_text, columns, without_empty


def test_columns_are_aligned_and_numbers_to_the_right():
    table = columns(
        ("layer", "kept"), [("conv[1]", "8"), ("a", "128")], numbers=("kept",)
    )
    assert as_text(table).splitlines() == [
        "layer    kept",
        "conv[1]     8",
        "a         128",
    ]


def test_plain_text_is_never_wrapped():
    assert as_text(columns(("layer",), [("x" * 500,)])).endswith("x" * 500)


def test_long_cells_wrap_in_a_narrow_terminal_and_numbers_stay_whole():
    terminal = io.StringIO()
    table = columns(("layer", "kept"), [("ab " * 9, "123,456")], numbers=("kept",))
    Console(file=terminal, width=20).print(table)
    lines = terminal.getvalue().splitlines()
    assert len(lines) > 2
    assert all(len(line) <= 20 for line in lines)
    assert "123,456" in lines[1]


def test_columns_without_a_known_cell_are_left_out():
    heads, rows = without_empty(("file", "a", "b"), [("x", "-", "1")], ("-",))
    assert (heads, rows) == (["file", "b"], [["x", "1"]])
    assert without_empty(("file", "a"), [], ("-",)) == (["file", "a"], [])


def test_names_are_no_markup():
    table = Table("name", box=None)
    table.add_row("[bold]rare[/] :car:")
    assert as_text(table).splitlines()[1].strip() == "[bold]rare[/] :car:"
