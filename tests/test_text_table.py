"""Tables of results as plain text and in a narrow terminal."""

import io

from rich.console import Console

from segshrink.text_table import as_text, columns


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
