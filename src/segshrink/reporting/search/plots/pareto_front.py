"""mIoU over latency of every timed trial, and the Pareto front of those unbeaten."""

from collections.abc import Mapping, Sequence
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
from segshrink.reporting.search.plots.trials import Cut, TrialColors
from segshrink.reporting.units import counted, human_bytes, human_ms

_WIDE = 3.0
_MOST_NAMED = 8
# Points of the front nearer than this to a named one have no name of their own.
_APART_PX = 40
_MOST_IN_ALT = 12
_MIOU = Objective("miou")

_Places = Mapping[int, tuple[float, float]]
"""Latency in milliseconds and mIoU in per cent, by number of the trial."""


def front_plot(record: SearchRecord) -> Plot | None:
    """One point per trial that ran to the end; `None` where none was timed."""
    places = {
        trial.number: (trial.latency_ms, 100 * trial.miou)
        for trial in record.in_state("complete")
        if trial.latency_ms is not None and trial.miou is not None
    }
    if not places:
        return None
    cut = _cut(record, places)
    note = (
        "Up and to the left is better. Named trials are listed below with the size of "
        "their file. "
    )
    if record.limits.size_bytes is not None:
        size = human_bytes(record.limits.size_bytes)
        note += f"Trials above {size} are over a limit too, wherever they lie. "
    note += cut.note([miou for _, miou in places.values()])
    alt = f"mIoU against latency of {len(places)} trials."
    if record.front:
        trials = record.front_trials[:_MOST_IN_ALT]
        named = [f"trial {each.number} {figures_text(each)}" for each in trials]
        alt += f" On the Pareto front: {'; '.join(named)}."
    if record.teacher:
        alt += f" Teacher: {figures_text(record.teacher)}."
    return Plot(
        stem="front",
        title="mIoU against latency",
        alt=alt,
        note=note.rstrip(),
        figure=partial(_draw, record, places, cut),
    )


def _cut(record: SearchRecord, places: _Places) -> Cut:
    """Where the axis ends; trials that have a name are never beyond."""
    end = worst_shown([miou for _, miou in places.values()], _MIOU)
    if end is None:
        return Cut(_MIOU, None)
    named = {*record.front, *_own_names(record)} & {*places}
    return Cut(_MIOU, min([end, *(places[number][1] for number in named)]))


def _own_names(record: SearchRecord) -> list[int]:
    """Numbers of the best trial and of the recipe's own values."""
    named = (record.best_trial, record.default_trial)
    return [trial.number for trial in named if trial]


def _draw(record: SearchRecord, places: _Places, cut: Cut, theme: Theme) -> Figure:
    figure = Figure((WIDTH_INCHES, 4.4))
    axes = figure.subplots()
    threads = f", {counted(record.threads, 'thread')}" if record.threads else ""
    axes.set(
        title="mIoU, % over latency, ms",
        xlabel=f"latency of the file, ms{threads}",
        ylabel="mIoU, %",
    )
    shown = [(latency, cut.clipped(miou)) for latency, miou in places.values()]
    teacher = _teacher_point(record.teacher, theme)
    ends = [*shown, *((point.median_ms, point.miou_percent) for point in teacher)]
    _set_limits(axes, ends, record.limits.latency_ms)
    limit = record.limits.latency_ms
    if limit is not None:
        label = f"limit, {human_ms(limit)} ms"
        axes.axvline(limit, color=theme.faint, ls=(0, (4, 3)), lw=1.2, label=label)
    _draw_trials(axes, record, places, cut, theme)
    trials = {trial.number: trial for trial in record.trials}
    points = [
        *(
            _trial_point(trials[number], places[number], record, theme)
            for number in _named(axes, record, places)
        ),
        *teacher,
    ]
    draw_points(axes, points)
    draw_legend(figure)
    draw_names(axes, points, theme, shown)
    return figure


def _set_limits(
    axes: Axes, places: Sequence[tuple[float, float]], limit_ms: float | None
) -> None:
    latencies = [latency for latency, _ in places]
    if limit_ms is not None:
        latencies.append(limit_ms)
    low, high = min(latencies), max(latencies)
    if high / low >= _WIDE:
        use_log_latency(axes)
        room = (high / low) ** 0.07
        axes.set_xlim(low / room, high * room)
    else:
        room = max(0.1 * (high - low), 0.05 * high)
        axes.set_xlim(low - room, high + room)
    axes.set_ylim(limits([y for _, y in places], least=1.0, below=0.1, above=0.1))


def _draw_trials(
    axes: Axes, record: SearchRecord, places: _Places, cut: Cut, theme: Theme
) -> None:
    """All trials as small points, and the line of the Pareto front."""
    colors = TrialColors(theme)
    front = [places[number] for number in record.front if number in places]
    if front:
        line = zip(*front, strict=True)
        [steps] = axes.step(*line, "o-", where="post", label="Pareto front")
        steps.set(color=colors.chosen, markersize=7, zorder=3)
    apart = {*record.front, *_own_names(record)}
    kinds = (("over a limit", False, colors.over), ("other trials", True, colors.trial))
    for label, is_feasible, color in kinds:
        others = [
            places[trial.number]
            for trial in record.trials
            if trial.number in {*places} - apart and trial.is_feasible is is_feasible
        ]
        cut.draw(axes, others, label, "o", color=color, ms=6, zorder=2)


def _named(axes: Axes, record: SearchRecord, places: _Places) -> list[int]:
    """The best, the recipe's own, the ends of the front, and what stands apart."""
    front = [number for number in record.front if number in places]
    own = [number for number in _own_names(record) if number in places]
    named = list(dict.fromkeys([*own, *front[:1], *front[-1:]]))
    for number in front:
        spots = axes.transData.transform([places[each] for each in (number, *named)])
        is_apart = (abs(spots[1:] - spots[0]).max(axis=1) > _APART_PX).all()
        if len(named) < _MOST_NAMED and is_apart:
            named.append(number)
    return named


def _trial_point(
    trial: Trial, place: tuple[float, float], record: SearchRecord, theme: Theme
) -> Point:
    colors, is_best = TrialColors(theme), trial.number == record.best
    color = colors.chosen if is_best or trial.number in record.front else colors.trial
    kind, mark = "best, " if is_best else "", Mark(color, "o")
    if trial.is_default:
        kind += "recipe's own, "
        mark = Mark(colors.default if trial.is_feasible else colors.over, "D")
    label = f"{kind}trial {trial.number}{_size(trial)}"
    diameter = 10.0 if is_best else 8.0
    return Point(str(trial.number), label, *place, mark, diameter=diameter)


def _teacher_point(teacher: TeacherFigures | None, theme: Theme) -> list[Point]:
    if teacher is None or teacher.latency_ms is None or teacher.miou is None:
        return []
    mark, label = Mark(TrialColors(theme).teacher, "s"), f"teacher{_size(teacher)}"
    return [Point("teacher", label, teacher.latency_ms, 100 * teacher.miou, mark)]


def _size(one: Trial | TeacherFigures) -> str:
    return "" if one.size_bytes is None else f", {human_bytes(one.size_bytes)}"
