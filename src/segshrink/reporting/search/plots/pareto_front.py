"""mIoU over latency of every timed trial, and the Pareto front of those unbeaten."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from segshrink.records.search import SearchRecord, TeacherFigures, Trial
from segshrink.reporting.plots.plot import WIDTH_INCHES, Plot, draw_legend, limits
from segshrink.reporting.plots.scatter import (
    Point,
    draw_names,
    draw_points,
    use_log_latency,
)
from segshrink.reporting.plots.theme import Mark, Theme
from segshrink.reporting.search.headline import figures_text
from segshrink.reporting.search.objective import Objective, worst_shown
from segshrink.reporting.search.plots.trials import Cut, search_colors
from segshrink.reporting.units import counted, human_bytes, human_ms

_WIDE = 3.0
_MOST_NAMED = 8
# Points of the front nearer than this to a named one have no name of their own.
_APART_PX = 40
_MIOU = Objective("miou")


def front_plot(record: SearchRecord) -> Plot | None:
    """One point per trial that ran to the end; `None` where none was timed."""
    timed = [
        _Timed(trial, 100 * trial.miou, trial.latency_ms)
        for trial in record.in_state("complete")
        if trial.latency_ms is not None and trial.miou is not None
    ]
    if not timed:
        return None
    notes = [
        "Up and to the left is better. Named trials are listed below with the size of "
        "their file."
    ]
    if record.limits.size_bytes is not None:
        notes.append(
            f"Trials above {human_bytes(record.limits.size_bytes)} are over a limit "
            "too, wherever they lie."
        )
    cut = _cut(record, timed)
    notes.append(cut.note([each.miou_percent for each in timed]))
    named = [
        f"trial {trial.number} {figures_text(trial)}"
        for trial in record.front_trials[:12]
    ]
    alt = [
        f"mIoU against latency of {len(timed)} trials",
        f"On the Pareto front: {'; '.join(named)}" if named else "",
        f"Teacher: {figures_text(record.teacher)}" if record.teacher else "",
    ]
    return Plot(
        stem="front",
        title="mIoU against latency",
        alt=f"{'. '.join(filter(None, alt))}.",
        note=" ".join(filter(None, notes)),
        figure=partial(_draw, record, timed, cut),
    )


@dataclass(frozen=True)
class _Timed:
    """A trial with both numbers of the picture."""

    trial: Trial
    miou_percent: float
    latency_ms: float

    @property
    def place(self) -> tuple[float, float]:
        return self.latency_ms, self.miou_percent


def _cut(record: SearchRecord, timed: Sequence[_Timed]) -> Cut:
    """Where the axis ends; trials that have a name are never beyond."""
    end = worst_shown([each.miou_percent for each in timed], _MIOU)
    named = (*record.front_trials, record.best_trial, record.default_trial)
    ends = [each.miou_percent for each in timed if each.trial in named]
    return Cut(_MIOU, None if end is None else min([end, *ends]))


def _draw(
    record: SearchRecord, timed: Sequence[_Timed], cut: Cut, theme: Theme
) -> Figure:
    figure = Figure((WIDTH_INCHES, 4.4))
    axes = figure.subplots()
    threads = f", {counted(record.threads, 'thread')}" if record.threads else ""
    axes.set(
        title="mIoU, % over latency, ms",
        xlabel=f"latency of the file, ms{threads}",
        ylabel="mIoU, %",
    )
    teacher = _teacher_point(record.teacher, theme)
    _set_limits(axes, record, timed, cut, teacher)
    limit = record.limits.latency_ms
    if limit is not None:
        label = f"limit, {human_ms(limit)} ms"
        axes.axvline(limit, color=theme.faint, ls=(0, (4, 3)), lw=1.2, label=label)
    _draw_trials(axes, record, timed, cut, theme)
    points = [_trial_point(each, record, theme) for each in _named(axes, record, timed)]
    points += teacher
    draw_points(axes, points)
    draw_legend(figure)
    others = [(x, max(y, cut.end or y)) for x, y in (each.place for each in timed)]
    draw_names(axes, points, theme, others)
    return figure


def _set_limits(
    axes: Axes,
    record: SearchRecord,
    timed: Sequence[_Timed],
    cut: Cut,
    teacher: Sequence[Point],
) -> None:
    latencies = [each.latency_ms for each in timed]
    latencies += [point.median_ms for point in teacher]
    if record.limits.latency_ms is not None:
        latencies.append(record.limits.latency_ms)
    low, high = min(latencies), max(latencies)
    if high / low >= _WIDE:
        use_log_latency(axes)
        room = (high / low) ** 0.07
        axes.set_xlim(low / room, high * room)
    else:
        room = max(0.1 * (high - low), 0.05 * high)
        axes.set_xlim(low - room, high + room)
    mious = cut.clipped([each.miou_percent for each in timed])
    mious += [point.miou_percent for point in teacher]
    axes.set_ylim(limits(mious, least=1.0, below=0.1, above=0.1))


def _draw_trials(
    axes: Axes,
    record: SearchRecord,
    timed: Sequence[_Timed],
    cut: Cut,
    theme: Theme,
) -> None:
    """All trials as small points, and the line of the Pareto front."""
    colors = search_colors(theme)
    front = _front(record, timed)
    if front:
        axes.step(
            *zip(*(each.place for each in front), strict=True), where="post",
            color=colors.chosen, lw=1.6, marker="o", markersize=7, zorder=3,
            label="Pareto front",
        )  # fmt: skip
    others = [
        each
        for each in timed
        if each not in front
        and not each.trial.is_default
        and each.trial.number != record.best
    ]
    kinds = (("over a limit", False, colors.over), ("other trials", True, colors.trial))
    for label, is_feasible, color in kinds:
        places = [
            each.place for each in others if each.trial.is_feasible is is_feasible
        ]
        cut.draw(axes, places, label, "o", color=color, markersize=6, zorder=2)


def _front(record: SearchRecord, timed: Sequence[_Timed]) -> list[_Timed]:
    by_number = {each.trial.number: each for each in timed}
    return [by_number[number] for number in record.front if number in by_number]


def _named(axes: Axes, record: SearchRecord, timed: Sequence[_Timed]) -> list[_Timed]:
    """The best, the recipe's own, the ends of the front, and what stands apart."""
    front = _front(record, timed)
    named = [each for each in timed if each.trial.number == record.best]
    named += [each for each in timed if each.trial.is_default]
    named += [*front[:1], *front[-1:]]
    named = list({each.trial.number: each for each in named}.values())
    for each in front:
        places = axes.transData.transform([other.place for other in (each, *named)])
        is_apart = (abs(places[1:] - places[0]).max(axis=1) > _APART_PX).all()
        if len(named) < _MOST_NAMED and is_apart:
            named.append(each)
    return named


def _trial_point(each: _Timed, record: SearchRecord, theme: Theme) -> Point:
    colors, trial = search_colors(theme), each.trial
    is_best = trial.number == record.best
    color = colors.chosen if is_best or trial.number in record.front else colors.trial
    kind, mark = "best, " * is_best, Mark(color, "o")
    if trial.is_default:
        kind += "recipe's own, "
        mark = Mark(colors.default if trial.is_feasible else colors.over, "D")
    return Point(
        name=str(trial.number),
        label=f"{kind}trial {trial.number}{_size(trial)}",
        median_ms=each.latency_ms,
        miou_percent=each.miou_percent,
        mark=mark,
        diameter=10.0 if is_best else 8.0,
    )


def _teacher_point(teacher: TeacherFigures | None, theme: Theme) -> list[Point]:
    if teacher is None or teacher.latency_ms is None or teacher.miou is None:
        return []
    mark = Mark(search_colors(theme).teacher, "s")
    label = f"teacher{_size(teacher)}"
    return [Point("teacher", label, teacher.latency_ms, 100 * teacher.miou, mark)]


def _size(one: Trial | TeacherFigures) -> str:
    return "" if one.size_bytes is None else f", {human_bytes(one.size_bytes)}"
