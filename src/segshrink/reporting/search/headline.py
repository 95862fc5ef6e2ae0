"""Result of a search in sentences; no result is stated as plainly as a good one."""

from typing import TypeGuard

from segshrink.records.search import Limits, SearchRecord, State, TeacherFigures, Trial
from segshrink.reporting.headline import Figure, Headline, points_figure, ratio_figure
from segshrink.reporting.search.objective import Objective, ranked, with_result
from segshrink.reporting.units import (
    counted,
    human_bytes,
    human_percent,
    human_seconds,
    ms_text,
)

_ENDINGS: dict[State, tuple[str, str]] = {
    "complete": ("ran to the end", "ran to the end"),
    "pruned": ("was stopped early", "were stopped early"),
    "skipped": ("was skipped untrained", "were skipped untrained"),
    "failed": ("failed", "failed"),
}


def search_headline(record: SearchRecord) -> Headline:
    """`sentences[0]` is the result; the others count trials and time."""
    parts = (_result, _without_default, _endings, _time)
    sentences = (part(record) for part in parts)
    return Headline(tuple(filter(None, sentences)), _figures(record))


def _result(record: SearchRecord) -> str:
    if not record.trials:
        return "No trial has ended yet."
    best, trials = record.best_trial, counted(len(record.trials), "trial")
    limits = costs_text(record.limits)
    within = f" within {limits}" if limits else ""
    if record.objective == "front" and record.front:
        result = f"Of {trials} {_front(record, within)}"
    elif best:
        result = f"{_best(best, record, trials)}{within}: {_trial_text(best, record)}"
    elif limits and with_result(record):
        nearest, *_ = (each for each in ranked(record) if each in with_result(record))
        result = (
            f"Nothing was found: of {trials} none is within the limits of {limits}. "
            f"The best over them, number {nearest.number}, has "
            f"{_trial_text(nearest, record)}"
        )
    else:
        return f"Nothing was found: of {trials} none came to a result."
    return f"{result}{_references(record)}."


def _front(record: SearchRecord, within: str) -> str:
    front = record.front_trials
    ends = [f"{_trial_text(each, record)} (number {each.number})" for each in front]
    if len(front) > 1:
        start = f"{len(front)} are on the Pareto front{within}"
        return f"{start}, from {ends[0]} to {ends[-1]}"
    alone = f"number {front[0].number} alone is on the Pareto front{within}"
    return f"{alone}: {_trial_text(front[0], record)}"


def _best(best: Trial, record: SearchRecord, trials: str) -> str:
    if len(record.trials) == 1:
        whose = " (the recipe's own values)" if best.is_default else ""
        return f"There is only trial {best.number}{whose}"
    if best.is_default:
        own = f"the recipe's own values (trial {best.number})"
        return f"Of {trials} none is better than {own}"
    is_loss = record.objective == "val_loss"
    rank = "has the least validation loss" if is_loss else "is the best"
    return f"Of {trials} number {best.number} {rank}"


def costs_text(one: Limits | Trial | TeacherFigures) -> str:
    """`5.00 ms and 200 kB`; empty without either."""
    latency = "" if one.latency_ms is None else ms_text(one.latency_ms)
    size = "" if one.size_bytes is None else human_bytes(one.size_bytes)
    return " and ".join(filter(None, (latency, size)))


def _trial_text(trial: Trial, record: SearchRecord) -> str:
    text = figures_text(trial)
    if record.objective == "val_loss" and trial.val_loss is not None:
        loss = Objective(record.objective).text(trial.val_loss)
        return f"{loss}, with {text}" if text else loss
    return text or "not measured"


def figures_text(one: Trial | TeacherFigures) -> str:
    """`62.3 % of mIoU at 4.20 ms and 180 kB`, as far as it was measured."""
    cost = costs_text(one)
    if one.miou is None:
        return cost
    quality = f"{human_percent(one.miou)} % of mIoU"
    return f"{quality} at {cost}" if cost else quality


def _references(record: SearchRecord) -> str:
    """`, against ... of the recipe's own values and ... of the teacher`."""
    texts = []
    default = record.default_trial
    if default not in record.chosen and _is_complete(default):
        over = "" if default.is_feasible else " (over a limit)"
        own = _trial_text(default, record)
        texts.append(f"{own} of the recipe's own values{over}")
    teacher = figures_text(record.teacher) if record.teacher else ""
    if teacher:
        texts.append(f"{teacher} of the teacher")
    return f", against {' and '.join(texts)}" if texts else ""


def _without_default(record: SearchRecord) -> str:
    """Why there is nothing to compare with, where the recipe's own values lack."""
    default = record.default_trial
    if not record.trials or _is_complete(default):
        return ""
    if default is None:
        return "The recipe's own values were not tried, so gains are not known."
    ending = _ENDINGS[default.state][1]
    return (
        f"The recipe's own values (trial {default.number}) {ending}, so gains over "
        "them are not known."
    )


def counts_text(record: SearchRecord) -> dict[State, str]:
    """`12 ran to the end`, for every way in which a trial ended."""
    counts = {state: len(record.in_state(state)) for state in _ENDINGS}
    return {
        state: f"{count} {_ENDINGS[state][count > 1]}"
        for state, count in counts.items()
        if count
    }


def _endings(record: SearchRecord) -> str:
    texts = []
    for state, count in counts_text(record).items():
        trials = record.in_state(state)
        over = sum(not trial.is_feasible for trial in trials)
        note = f"{over} over a limit, " if state == "complete" and over else ""
        seconds = human_seconds(sum(trial.seconds for trial in trials))
        texts.append(f"{count} ({note}{seconds})")
    if not texts:
        return ""
    *others, last = texts
    listed = f"{', '.join(others)} and {last}" if others else last
    is_short = len(record.trials) < record.trials_wanted
    wanted = f" {record.trials_wanted} were requested." if is_short else ""
    return f"Trials: {listed}.{wanted}"


def _time(record: SearchRecord) -> str:
    outside = record.share_outside_trials
    if outside is None:
        return ""
    whose = "its" if record.workers == 1 else "their"
    took, workers = human_seconds(record.seconds), counted(record.workers, "worker")
    return (
        f"The search took {took} with {workers}; {human_percent(outside)} % of {whose} "
        "time went into no trial."
    )


def _is_complete(trial: Trial | None) -> TypeGuard[Trial]:
    return trial is not None and trial.state == "complete"


def _figures(record: SearchRecord) -> tuple[Figure, ...]:
    best, default, teacher = record.best_trial, record.default_trial, record.teacher
    if record.objective == "front" or best is None:
        return ()
    figures: list[Figure | None] = []
    if best.miou is not None:
        detail = f"trial {best.number}, on the validation part"
        number = f"{human_percent(best.miou)} %"
        figures.append(Figure(number, "mIoU of the best", detail, None))
    if default is not best and _is_complete(default):
        figures.append(_points(best, default, "the recipe's own values"))
    if teacher:
        note = " of the teacher"
        figures.append(_points(best, teacher, "the teacher"))
        if best.latency_ms and teacher.latency_ms:
            latencies, words = (
                (best.latency_ms, teacher.latency_ms),
                ("faster", "slower"),
            )
            figures.append(ratio_figure(*latencies, ms_text, words, note))
        if best.size_bytes and teacher.size_bytes:
            sizes, words = (best.size_bytes, teacher.size_bytes), ("smaller", "larger")
            figures.append(ratio_figure(*sizes, human_bytes, words, note))
    return tuple(figure for figure in figures if figure)


def _points(best: Trial, other: Trial | TeacherFigures, whose: str) -> Figure | None:
    if best.miou is None or other.miou is None:
        return None
    detail = f"against {human_percent(other.miou)} % of {whose}"
    return points_figure(100 * (best.miou - other.miou), detail)
