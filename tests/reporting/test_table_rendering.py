import io
import re

import pytest
from rich.console import Console

from segshrink.reporting.table import Column, Row, Table
from segshrink.reporting.table_rendering import (
    TerminalTable,
    html_table,
    markdown_rows,
    markdown_text,
)

HOSTILE = "<b>[red]a|b`$x$[/red]</b>"
TABLE = Table(
    (
        Column("model", is_number=False),
        Column("bytes", "size"),
        Column("times smaller", "size"),
        Column("latency", "speed"),
        Column("teacher", "IoU", repeats_group=True),
    ),
    (
        Row(("teacher", "11", "12", "13", "14")),
        Row((HOSTILE, "21", "22", "23", "24"), is_shipped=True),
    ),
)


def drawn(width: int) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(TerminalTable(TABLE))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_wide_terminal_gets_one_table_with_markup_shown_as_text() -> None:
    text = drawn(200)
    assert text.count("model") == 1
    assert text.count(HOSTILE) == 1
    assert "IoU teacher" in text


@pytest.mark.parametrize("width", [48, 60])
def test_a_narrow_terminal_gets_several_and_loses_nothing(width: int) -> None:
    text = drawn(width)
    assert text.count("model") > 1
    for cell in ("11", "12", "13", "14", "21", "22", "23", "24"):
        assert len(re.findall(rf"\b{cell}\b", text)) == 1
    assert max(len(line) for line in text.splitlines()) <= width
    [line] = [line for line in text.splitlines() if "bytes" in line]
    assert "times smaller" in line, "a group must stay together"


def test_markdown_keeps_its_cells_whatever_they_hold() -> None:
    lines = markdown_rows(TABLE).splitlines()
    assert lines[0] == "| model | bytes | times smaller | latency | IoU teacher |"
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: |"
    cells = re.split(r"(?<!\\)\|", lines[3])
    assert len(cells) == 5 + 2
    assert cells[2].strip() == "**21**"
    assert re.sub(r"\\(.)", r"\1", cells[1]).strip() == f"**{HOSTILE}**"


def test_markdown_text_stays_on_one_line() -> None:
    assert markdown_text("a\nb_c") == "a b\\_c"


def test_html_escapes_and_spans_groups() -> None:
    html = html_table(TABLE, 'label "quoted"')
    assert "<b>" not in html and "&lt;b&gt;" in html
    assert 'aria-label="label &#34;quoted&#34;"' in html
    assert re.findall(r'colspan="(\d)"[^>]*>([^<]*)<', html) == [
        ("1", ""),
        ("2", "size"),
        ("1", "speed"),
        ("1", "IoU"),
    ]
    assert html.count("<tr") == 2 + 2
    assert html.count('<tr class="shipped"') == 1
