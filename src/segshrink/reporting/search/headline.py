"""What a search found, in sentences; that it found nothing is told as plainly."""

from collections.abc import Sequence

from segshrink.records.search import Limits, SearchRecord, State, TeacherFigures, Trial
from segshrink.reporting.headline import Figure, Headline
from segshrink.reporting.search.objective import Objective, counted, ranked
from segshrink.reporting.units import (
    human_bytes,
    human_ms,
    human_percent,
    human_points,
    human_ratio,
    human_seconds,
)

# Differences below these are shown as none.
_SAME_POINTS = 0.05
_SAME_RATIO = 0.005

_ENDINGS: dict[State, tuple[str, str]] = {
    "complete": ("ran to the end", "ran to the end"),
    "pruned": ("was stopped early", "were stopped early"),
    "skipped": ("was skipped untrained", "were skipped untrained"),
    "failed": ("failed", "failed"),
}


def search_headline(record: SearchRecord) -> Headline:
    """`sentences[0]` is what was found; the others say at what price."""
    sentences = [_result(record), _without_default(record), _endings(record)]
    sentences.append(_time(record))
    return Headline(tuple(filter(None, sentences)), _figures(record))


def _result(record: SearchRecord) -> str:
    if not record.trials:
        return "No trial has ended yet."
    if record.objective == "front" and record.front:
        return f"{_front(record)}{_references(record)}."
    if record.best_trial is None:
        return _nothing_found(record)
    best = record.best_trial
    if len(record.trials) == 1:
        whose = " (the recipe's own values)" if best.is_default else ""
        subject = f"There is only trial {best.number}{whose}"
    elif best.is_default:
        subject = f"Of {_count(record)} none is better than the recipe's own values"
        subject += f" (trial {best.number})"
    elif record.objective == "val_loss":
        subject = f"Of {_count(record)} number {best.number} has the least validation "
        subject += "loss"
    else:
        subject = f"Of {_count(record)} number {best.number} is the best"
    within = _within(record.limits)
    return f"{subject}{within}: {_trial_text(best, record)}{_references(record)}."


def _count(record: SearchRecord) -> str:
    count = len(record.trials)
    return f"{count} trial{'' if count == 1 else 's'}"


def _within(limits: Limits) -> str:
    text = limits_text(limits)
    return f" within {text}" if text else ""


def limits_text(limits: Limits) -> str:
    """`5.00 ms and 200 kB`; empty without a limit."""
    texts = []
    if limits.latency_ms is not None:
        texts.append(f"{human_ms(limits.latency_ms)} ms")
    if limits.size_bytes is not None:
        texts.append(human_bytes(limits.size_bytes))
    return " and ".join(texts)


def _trial_text(trial: Trial, record: SearchRecord) -> str:
    text = figures_text(trial)
    if record.objective == "val_loss" and trial.val_loss is not None:
        loss = Objective(record.objective).text(trial.val_loss)
        return f"{loss}, with {text}" if text else loss
    return text or "not measured"


def figures_text(one: Trial | TeacherFigures) -> str:
    """`62.3 % of mIoU at 4.20 ms and 180 kB`, as far as it was measured."""
    costs = []
    if one.latency_ms is not None:
        costs.append(f"{human_ms(one.latency_ms)} ms")
    if one.size_bytes is not None:
        costs.append(human_bytes(one.size_bytes))
    cost = " and ".join(costs)
    if one.miou is None:
        return cost
    quality = f"{human_percent(one.miou)} % of mIoU"
    return f"{quality} at {cost}" if cost else quality


def _references(record: SearchRecord) -> str:
    """`, against ... of the recipe's own values and ... of the teacher`."""
    texts = []
    default = record.default_trial
    if default and default not in record.chosen and default.state == "complete":
        over = "" if default.is_feasible else " (over a limit)"
        own = _trial_text(default, record)
        texts.append(f"{own} of the recipe's own values{over}")
    teacher = figures_text(record.teacher) if record.teacher else ""
    if teacher:
        texts.append(f"{teacher} of the teacher")
    return f", against {' and '.join(texts)}" if texts else ""


def _front(record: SearchRecord) -> str:
    front = record.front_trials
    within = _within(record.limits)
    if len(front) == 1:
        [only] = front
        return (
            f"Of {_count(record)} number {only.number} alone is on the front{within}: "
            f"{_trial_text(only, record)}"
        )
    fastest, slowest = front[0], front[-1]
    return (
        f"Of {_count(record)} {len(front)} are on the front{within}, from "
        f"{_trial_text(fastest, record)} (number {fastest.number}) to "
        f"{_trial_text(slowest, record)} (number {slowest.number})"
    )


def _nothing_found(record: SearchRecord) -> str:
    complete = counted(record)
    limits = limits_text(record.limits)
    if complete and limits:
        nearest = next(each for each in ranked(record) if each in complete)
        return (
            f"Nothing was found: of {_count(record)} none is within the limits of "
            f"{limits}. The best over them, number {nearest.number}, has "
            f"{_trial_text(nearest, record)}{_references(record)}."
        )
    return f"Nothing was found: of {_count(record)} none came to a result."


def _without_default(record: SearchRecord) -> str:
    """Why there is nothing to compare with, where the recipe's own values lack."""
    default = record.default_trial
    if not record.trials or (default and default.state == "complete"):
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
    texts = [_ending(state, record.in_state(state), record) for state in _ENDINGS]
    texts = [text for text in texts if text]
    if not texts:
        return ""
    *others, last = texts
    listed = f"{', '.join(others)} and {last}" if others else last
    is_short = len(record.trials) < record.trials_wanted
    asked = f" {record.trials_wanted} were asked for." if is_short else ""
    return f"Trials: {listed}.{asked}"


def _ending(state: State, trials: Sequence[Trial], record: SearchRecord) -> str:
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
    workers = f"{record.workers} worker{'' if record.workers == 1 else 's'}"
    whose = "its" if record.workers == 1 else "their"
    return (
        f"The search took {human_seconds(record.seconds)} with {workers}; "
        f"{human_percent(outside)} % of {whose} time went into no trial."
    )


def _figures(record: SearchRecord) -> tuple[Figure, ...]:
    best = record.best_trial
    if record.objective == "front" or best is None:
        return ()
    figures = [_quality(best), _against_default(best, record)]
    if record.teacher:
        figures += [
            _points_to_teacher(best, record.teacher),
            _speed(best.latency_ms, record.teacher.latency_ms),
            _size(best.size_bytes, record.teacher.size_bytes),
        ]
    return tuple(figure for figure in figures if figure)


def _quality(best: Trial) -> Figure | None:
    if best.miou is None:
        return None
    detail = f"trial {best.number}, on the validation part"
    return Figure(f"{human_percent(best.miou)} %", "mIoU of the best", detail, None)


def _against_default(best: Trial, record: SearchRecord) -> Figure | None:
    default = record.default_trial
    if default is None or default is best or default.state != "complete":
        return None
    return _points(best.miou, default.miou, "the recipe's own values")


def _points_to_teacher(best: Trial, teacher: TeacherFigures) -> Figure | None:
    return _points(best.miou, teacher.miou, "the teacher")


def _points(own: float | None, other: float | None, whose: str) -> Figure | None:
    if own is None or other is None:
        return None
    points = 100 * (own - other)
    is_gain = None if abs(points) < _SAME_POINTS else points > 0
    detail = f"against {human_percent(other)} % of {whose}"
    return Figure(human_points(points), "points of mIoU", detail, is_gain)


def _speed(own: float | None, other: float | None) -> Figure | None:
    if own is None or other is None:
        return None
    detail = f"{human_ms(own)} ms against {human_ms(other)} ms of the teacher"
    return _times(other / own, "faster", "slower", detail)


def _size(own: int | None, other: int | None) -> Figure | None:
    if own is None or other is None:
        return None
    detail = f"{human_bytes(own)} against {human_bytes(other)} of the teacher"
    return _times(other / own, "smaller", "larger", detail)


def _times(ratio: float, gain: str, loss: str, detail: str) -> Figure:
    if abs(ratio - 1) < _SAME_RATIO:
        return Figure(human_ratio(ratio), f"no {gain}", detail, None)
    if ratio > 1:
        return Figure(human_ratio(ratio), gain, detail, True)
    return Figure(human_ratio(1 / ratio), loss, detail, False)
