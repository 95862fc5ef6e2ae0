from segshrink.reporting.search.objective import ranked
from segshrink.reporting.search.table import top_trials, trials_table, values_table
from segshrink.reporting.table import Table

from ..cells import column_cells
from .search_folder import (
    SPACE,
    large_search,
    only,
    read_record,
    small_search,
)


def small_table(*, with_values: bool = False, **changes: object) -> Table:
    record = read_record(small_search(**changes))
    return trials_table(record, ranked(record), with_values=with_values)


def test_a_row_a_trial_and_the_teacher() -> None:
    table = small_table()
    assert [column.heading for column in table.columns] == [
        *("trial", "state", "mIoU %", "latency ms", "file", "time s", "reason")
    ]
    rows = [row.cells for row in table.rows]
    assert rows[0] == ("4", "complete", "63.0", "4.20", "180 kB", "41.0", "")
    assert rows[1][:2] == ("0 (recipe's own)", "complete")
    assert rows[3][:3] == ("2", "over a limit", "64.0")
    assert rows[4][:3] == ("3", "stopped early", "(31.0)")
    assert rows[5][1:3] == ("skipped", "–")
    assert rows[5][-1] == "6.32 ms is over the limit of 5.00 ms"
    assert rows[7] == ("teacher", "", "71.0", "31.5", "1.9 MB", "", "")
    assert [row.is_shipped for row in table.rows] == [True] + [False] * 7
    assert [row.is_faint for row in table.rows] == [False] * 3 + [True] * 4 + [False]


def test_the_values_stand_beside() -> None:
    table = small_table(with_values=True)
    assert column_cells(table, "learning_rate")[0] == "0.003"
    assert column_cells(table, "losses")[0] == "channel_wise 3"
    assert set(column_cells(table, "width")) == {"–", ""}
    numbers = {column.heading: column.is_number for column in table.columns}
    assert numbers["learning_rate"] and not numbers["losses"]


def test_losses_have_a_column_where_they_are_sought() -> None:
    table = small_table(objective="val_loss", teacher=None)
    assert column_cells(table, "val loss") == (
        *("0.8", "0.8", "0.8", "0.8", "(0.31)", "–", "–"),
    )
    assert "val loss" not in [column.heading for column in small_table().columns]


def test_the_top_holds_the_recipes_own() -> None:
    record = read_record(large_search(60))
    top = top_trials(record)
    assert len(top) == 11 and top[0].number == record.best
    assert top[-1].is_default
    assert top[:-1] == ranked(record)[:10]


def test_the_top_of_a_front_is_the_front() -> None:
    record = read_record(large_search(60, objective="front"))
    front = set(record.front)
    top = top_trials(record)
    assert {trial.number for trial in top} == front | {0}
    assert len(top_trials(record, 15)) >= 15
    assert front <= {trial.number for trial in top_trials(record, 1)}


def test_values_of_the_best_beside_the_recipes_own() -> None:
    record = small_search()
    record["trials"][4]["values"]["student.training.learning_rate"] = 0.0051
    table = values_table(read_record(record), with_ranges=True)
    assert table is not None
    assert [column.heading for column in table.columns] == [
        *("field", "searched", "recipe's own", "trial 4")
    ]
    assert column_cells(table, "field") == tuple(SPACE)
    assert table.rows[0].cells == (
        *("student.training.learning_rate", "0.0002 to 0.01, logarithmic"),
        *("0.003", "0.0051"),
    )
    assert table.rows[3].cells[2:] == ("–", "–")


def test_of_a_long_front_both_ends_and_some_between() -> None:
    record = read_record(large_search(200, objective="front"))
    assert len(record.front) > 6
    table = values_table(record, with_ranges=False, most=4)
    assert table is not None
    labels = [column.heading for column in table.columns]
    assert len(labels) == 2 + 4
    assert labels[2] == f"trial {record.front[0]}"
    assert labels[-1] == f"trial {record.front[-1]}"


def test_nothing_chosen_has_no_values() -> None:
    record = read_record(only(small_search(), 2, 3))
    assert values_table(record, with_ranges=True) is None
