"""Result of a search in sentences; no result is stated as plainly as a good one."""

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from segshrink.records.search import Limits, SearchRecord, State, TeacherFigures, Trial
from segshrink.reporting.headline import (
    Figure,
    Headline,
    points_figure,
    ratio_figure,
)
from segshrink.reporting.search.objective import Objective, ranked, with_result
from segshrink.reporting.units import (
    counted,
    human_bytes,
    human_ms,
    human_percent,
    human_seconds,
)

_ENDINGS: dict[State, tuple[str, str]] = {
    "complete": ("ran to the end", "ran to the end"),
    "pruned": ("was stopped early", "were stopped early"),
    "skipped": ("was skipped untrained", "were skipped untrained"),
    "failed": ("failed", "failed"),
}


def search_headline(record: SearchRecord) -> Headline:
    """`sentences[0]` is the result; the others count trials and time."""
    sentences = [_result(record), _without_default(record), _endings(record)]
    sentences.append(_time(record))
    return Headline(tuple(filter(None, sentences)), _figures(record))


def _result(record: SearchRecord) -> str:
    best, trials = record.best_trial, counted(len(record.trials), "trial")
    within = costs_text(record.limits)
    within = f" within {within}" if within else ""
    if not record.trials:
        return "No trial has ended yet."
    if record.objective == "front" and record.front:
        subject = f"Of {trials} {_front(record, within)}"
    elif best is None:
        return _nothing_found(record, trials)
    else:
        if len(record.trials) == 1:
            whose = " (the recipe's own values)" if best.is_default else ""
            subject = f"There is only trial {best.number}{whose}"
        elif best.is_default:
            subject = (
                f"Of {trials} none is better than the recipe's own values "
                f"(trial {best.number})"
            )
        else:
            is_loss = record.objective == "val_loss"
            rank = "has the least validation loss" if is_loss else "is the best"
            subject = f"Of {trials} number {best.number} {rank}"
        subject += f"{within}: {_trial_text(best, record)}"
    return f"{subject}{_references(record)}."


def _front(record: SearchRecord, within: str) -> str:
    fastest, *_ = front = record.front_trials
    if len(front) == 1:
        return (
            f"number {fastest.number} alone is on the Pareto front{within}: "
            f"{_trial_text(fastest, record)}"
        )
    return (
        f"{len(front)} are on the Pareto front{within}, from "
        f"{_trial_text(fastest, record)} (number {fastest.number}) to "
        f"{_trial_text(front[-1], record)} (number {front[-1].number})"
    )


def _nothing_found(record: SearchRecord, trials: str) -> str:
    nearest = next(
        (each for each in ranked(record) if each in with_result(record)), None
    )
    limits = costs_text(record.limits)
    if nearest is None or not limits:
        return f"Nothing was found: of {trials} none came to a result."
    return (
        f"Nothing was found: of {trials} none is within the limits of {limits}. The "
        f"best over them, number {nearest.number}, has "
        f"{_trial_text(nearest, record)}{_references(record)}."
    )


def costs_text(one: Limits | Trial | TeacherFigures) -> str:
    """`5.00 ms and 200 kB`; empty without either."""
    texts = []
    if one.latency_ms is not None:
        texts.append(_ms_text(one.latency_ms))
    if one.size_bytes is not None:
        texts.append(human_bytes(one.size_bytes))
    return " and ".join(texts)


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


def counts_text(record: SearchRecord) -> list[str]:
    """`12 ran to the end`, for every way in which a trial ended."""
    counts = {state: len(record.in_state(state)) for state in _ENDINGS}
    return [
        f"{count} {_ENDINGS[state][count > 1]}"
        for state, count in counts.items()
        if count
    ]


def _endings(record: SearchRecord) -> str:
    texts = list(
        filter(None, (_ending(each, record.in_state(each)) for each in _ENDINGS))
    )
    if not texts:
        return ""
    listed = " and ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
    is_short = len(record.trials) < record.trials_wanted
    wanted = f" {record.trials_wanted} were requested." if is_short else ""
    return f"Trials: {listed}.{wanted}"


def _ending(state: State, trials: Sequence[Trial]) -> str:
    if not trials:
        return ""
    over = sum(not trial.is_feasible for trial in trials)
    words = _ENDINGS[state][len(trials) > 1]
    notes = [human_seconds(sum(trial.seconds for trial in trials))]
    if state == "complete" and over:
        notes.insert(0, f"{over} over a limit")
    return f"{len(trials)} {words} ({', '.join(notes)})"


def _time(record: SearchRecord) -> str:
    outside = record.share_outside_trials
    if outside is None:
        return ""
    whose = "its" if record.workers == 1 else "their"
    return (
        f"The search took {human_seconds(record.seconds)} with "
        f"{counted(record.workers, 'worker')}; "
        f"{human_percent(outside)} % of {whose} time went into no trial."
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
        figures += [
            _points(best, teacher, "the teacher"),
            _times(best, teacher, "latency_ms", _ms_text, "faster", "slower"),
            _times(best, teacher, "size_bytes", human_bytes, "smaller", "larger"),
        ]
    return tuple(figure for figure in figures if figure)


def _points(
    best: Trial, other: Trial | TeacherFigures | None, whose: str
) -> Figure | None:
    if best.miou is None or other is None or other.miou is None:
        return None
    detail = f"against {human_percent(other.miou)} % of {whose}"
    return points_figure(100 * (best.miou - other.miou), detail)


def _ms_text(latency_ms: float) -> str:
    return f"{human_ms(latency_ms)} ms"


def _times(
    best: Trial,
    teacher: TeacherFigures,
    field: str,
    text: Callable[[Any], str],
    gain: str,
    loss: str,
) -> Figure | None:
    own, other = getattr(best, field), getattr(teacher, field)
    if own is None or other is None:
        return None
    detail = f"{text(own)} against {text(other)} of the teacher"
    return ratio_figure(other / own, gain, loss, detail)
