"""The trials and the values they tried as tables of pure data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from segshrink.records.measurement import Role
from segshrink.records.search import SearchRecord, State, TeacherFigures, Trial
from segshrink.reporting.search.naming import range_text, short_names, tried_text
from segshrink.reporting.search.objective import Objective, ranked
from segshrink.reporting.table import Column, Row, Table
from segshrink.reporting.units import (
    MISSING,
    human_bytes,
    human_ms,
    human_percent,
)

TOP_TRIALS = 10
_MOST_COMPARED = 6

_STATES: dict[State, str] = {
    "complete": "complete",
    "pruned": "stopped early",
    "skipped": "skipped",
    "failed": "failed",
}


@dataclass(frozen=True)
class _Cell:
    column: Column
    text: Callable[[Trial], str]


def trials_table(
    record: SearchRecord, trials: Sequence[Trial], *, with_values: bool
) -> Table:
    """A row a trial in the given order, and the teacher's below.

    Args:
        record: the search.
        trials: which of its trials.
        with_values: whether to have a column for every searched field.
    """
    cells = _cells(record, trials, with_values)
    chosen = {trial.number for trial in record.chosen}
    rows = [
        Row(
            tuple(cell.text(trial) for cell in cells),
            is_shipped=trial.number in chosen,
            is_faint=trial.state != "complete" or not trial.is_feasible,
        )
        for trial in trials
    ]
    columns = tuple(cell.column for cell in cells)
    if record.teacher:
        rows.append(_teacher_row(record.teacher, columns))
    return Table(columns, tuple(rows))


def top_trials(record: SearchRecord, most: int | None = None) -> tuple[Trial, ...]:
    """The best trials, and the recipe's own values wherever they stand.

    Args:
        record: the search.
        most: how many, unless the front holds more; None is the front alone if that
            was asked for, else ten.
    """
    chosen = len(record.chosen)
    if most is None:
        most = chosen if record.objective == "front" and chosen else TOP_TRIALS
    top = ranked(record)[: max(most, chosen)]
    default = record.default_trial
    return (*top, default) if default and default not in top else top


def _cells(
    record: SearchRecord, trials: Sequence[Trial], with_values: bool
) -> list[_Cell]:
    cells = [
        _Cell(Column("trial", is_number=False), _label),
        _Cell(Column("state", is_number=False), _state),
        *_result_cells(record),
    ]
    if any(trial.reason for trial in trials):
        reason = Column("reason", is_number=False, is_wrapped=True)
        cells.append(_Cell(reason, lambda trial: trial.reason or ""))
    if with_values:
        names = short_names(record.space)
        cells += [_value_cell(place, names[place], trials) for place in record.space]
    return cells


def _result_cells(record: SearchRecord) -> list[_Cell]:
    cells = [
        _Cell(Column("mIoU %"), lambda trial: _miou(trial, record)),
        _Cell(Column("latency ms"), lambda trial: human_ms(trial.latency_ms)),
        _Cell(Column("file"), lambda trial: human_bytes(trial.size_bytes)),
        _Cell(Column("time s"), lambda trial: f"{trial.seconds:.1f}"),
    ]
    if record.objective == "val_loss":
        cells.insert(0, _Cell(Column("val loss"), _val_loss))
    return cells


def _label(trial: Trial) -> str:
    return f"{trial.number} (recipe's own)" if trial.is_default else str(trial.number)


def _state(trial: Trial) -> str:
    if trial.state == "complete" and not trial.is_feasible:
        return "over a limit"
    return _STATES[trial.state]


def _miou(trial: Trial, record: SearchRecord) -> str:
    if record.objective == "val_loss":
        return human_percent(trial.miou)
    return _objective(trial, Objective(record.objective))


def _val_loss(trial: Trial) -> str:
    return _objective(trial, Objective("val_loss"))


def _objective(trial: Trial, objective: Objective) -> str:
    """The objective; in brackets what a trial had that was stopped early."""
    text = objective.text(objective.shown(trial))
    return text if trial.state == "complete" or text == MISSING else f"({text})"


def _value_cell(place: str, name: str, trials: Sequence[Trial]) -> _Cell:
    values = [trial.values[place] for trial in trials if place in trial.values]
    is_number = all(
        isinstance(value, int | float) and not isinstance(value, bool)
        for value in values
    )
    return _Cell(
        Column(name, is_number=is_number), lambda trial: tried_text(trial.values, place)
    )


def _teacher_row(teacher: TeacherFigures, columns: Sequence[Column]) -> Row:
    known = {
        "trial": "teacher",
        "mIoU %": human_percent(teacher.miou),
        "latency ms": human_ms(teacher.latency_ms),
        "file": human_bytes(teacher.size_bytes),
    }
    return Row(
        tuple(known.get(column.heading, "") for column in columns), role=Role.TEACHER
    )


def values_table(
    record: SearchRecord, *, with_ranges: bool, most: int = _MOST_COMPARED
) -> Table | None:
    """What was searched, the recipe's own values, and those of the chosen trials.

    Args:
        record: the search.
        with_ranges: whether to have a column of what was searched.
        most: of a longer front its ends and some between, so many in all.

    Returns:
        A row a field; `None` where nothing is chosen.
    """
    chosen = _spread(record.chosen, most)
    if not chosen:
        return None
    default = record.default_trial
    compared = [trial for trial in chosen if trial is not default]
    if default:
        compared.insert(0, default)
    labels = [_compared_label(trial) for trial in compared]
    columns = [Column(text, is_number=False) for text in ("field", *labels)]
    if with_ranges:
        columns.insert(1, Column("searched", is_number=False, is_wrapped=True))
    rows = []
    for place, searched in record.space.items():
        cells = [place, *[tried_text(trial.values, place) for trial in compared]]
        if with_ranges:
            cells.insert(1, range_text(searched))
        rows.append(Row(tuple(cells)))
    return Table(tuple(columns), tuple(rows))


def _compared_label(trial: Trial) -> str:
    return "recipe's own" if trial.is_default else f"trial {trial.number}"


def _spread(trials: Sequence[Trial], most: int) -> list[Trial]:
    """At most so many, evenly chosen, with both ends."""
    if len(trials) <= most:
        return list(trials)
    step = (len(trials) - 1) / (most - 1)
    return [trials[round(place * step)] for place in range(most)]
