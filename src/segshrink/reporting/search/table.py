"""Trials, and the values that they tried, as tables of pure data."""

from collections.abc import Callable, Sequence

from segshrink.records.search import SearchRecord, TeacherFigures, Trial
from segshrink.reporting.search.naming import (
    is_number,
    range_text,
    short_names,
    tried_text,
)
from segshrink.reporting.search.objective import Objective, ranked
from segshrink.reporting.table import Column, Row, Table
from segshrink.reporting.units import MISSING, human_bytes, human_ms, human_percent

TOP_TRIALS = 10
_MOST_COMPARED = 6

_Cell = tuple[Column, Callable[[Trial], str]]
"""A column, and how it reads its cell from a trial."""


def trials_table(
    record: SearchRecord, trials: Sequence[Trial], *, with_values: bool
) -> Table:
    """One row per trial in the given order, and the teacher's below.

    Args:
        record: the search.
        trials: which of its trials.
        with_values: whether to have a column for every searched field.
    """
    cells = _cells(record, trials, with_values)
    columns = tuple(column for column, _ in cells)
    rows = [
        Row(
            tuple(text(trial) for _, text in cells),
            is_shipped=trial in record.chosen,
            is_faint=trial.state != "complete" or not trial.is_feasible,
        )
        for trial in trials
    ]
    if record.teacher:
        rows.append(_teacher_row(record.teacher, columns))
    return Table(columns, tuple(rows))


def top_trials(record: SearchRecord, most: int | None = None) -> tuple[Trial, ...]:
    """The best trials, and the recipe's own values wherever they stand.

    Args:
        record: the search.
        most: how many, unless the Pareto front holds more; None is the front alone if
            that was sought, else ten.
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
    is_loss = record.objective == "val_loss"
    loss, miou = Objective("val_loss"), Objective("miou")
    cells: list[_Cell] = [
        (Column("trial", is_number=False), _label),
        (Column("state", is_number=False), state_text),
        (Column("mIoU %"), lambda t: _text(t, miou, is_sought=not is_loss)),
        (Column("latency ms"), lambda t: human_ms(t.latency_ms)),
        (Column("file"), lambda t: human_bytes(t.size_bytes)),
        (Column("time s"), lambda t: f"{t.seconds:.1f}"),
    ]
    if is_loss:
        cells.insert(2, (Column("val loss"), lambda t: _text(t, loss, is_sought=True)))
    if any(trial.reason for trial in trials):
        reason = Column("reason", is_number=False, is_wrapped=True)
        cells.append((reason, lambda t: t.reason or ""))
    if with_values:
        names = short_names(record.space)
        cells += [_value_cell(place, names[place], trials) for place in record.space]
    return cells


def _label(trial: Trial) -> str:
    return f"{trial.number} (recipe's own)" if trial.is_default else str(trial.number)


def state_text(trial: Trial) -> str:
    """How the trial ended, in a word or two."""
    if trial.state == "complete" and not trial.is_feasible:
        return "over a limit"
    return "stopped early" if trial.state == "pruned" else trial.state


def _text(trial: Trial, objective: Objective, *, is_sought: bool) -> str:
    """The number; in brackets what a trial had that was stopped early.

    Only what is sought is known of such a trial.
    """
    if not is_sought:
        return objective.text(objective.of(trial))
    text = objective.text(objective.shown(trial))
    return text if trial.state == "complete" or text == MISSING else f"({text})"


def _value_cell(place: str, name: str, trials: Sequence[Trial]) -> _Cell:
    values = [trial.values[place] for trial in trials if place in trial.values]
    return (
        Column(name, is_number=all(map(is_number, values))),
        lambda trial: tried_text(trial.values, place),
    )


def _teacher_row(teacher: TeacherFigures, columns: Sequence[Column]) -> Row:
    known = {
        "trial": "teacher",
        "mIoU %": human_percent(teacher.miou),
        "latency ms": human_ms(teacher.latency_ms),
        "file": human_bytes(teacher.size_bytes),
    }
    return Row(tuple(known.get(column.heading, "") for column in columns))


def values_table(
    record: SearchRecord, *, with_ranges: bool, most: int | None = None
) -> Table | None:
    """Searched ranges, the recipe's own values, and those of the chosen trials.

    Args:
        record: the search.
        with_ranges: whether to have a column of what was searched.
        most: number of trials shown of a longer Pareto front: its ends and some
            between; None is six.

    Returns:
        One row per field; `None` where nothing is chosen.
    """
    chosen = _spread(record.chosen, most or _MOST_COMPARED)
    if not chosen:
        return None
    default = record.default_trial
    compared = [trial for trial in chosen if trial is not default]
    if default:
        compared.insert(0, default)
    searched = [Column("searched", is_number=False, is_wrapped=True)] * with_ranges
    columns = [
        Column("field", is_number=False),
        *searched,
        *(Column(_compared_label(trial), is_number=False) for trial in compared),
    ]
    rows = []
    for place, space in record.space.items():
        tried = (tried_text(trial.values, place) for trial in compared)
        rows.append(Row((place, *[range_text(space)] * with_ranges, *tried)))
    return Table(tuple(columns), tuple(rows))


def _compared_label(trial: Trial) -> str:
    return "recipe's own" if trial.is_default else f"trial {trial.number}"


def _spread(trials: Sequence[Trial], most: int) -> list[Trial]:
    """At most `most` trials, evenly chosen, with both ends."""
    if len(trials) <= most:
        return list(trials)
    step = (len(trials) - 1) / (most - 1)
    return [trials[round(place * step)] for place in range(most)]
