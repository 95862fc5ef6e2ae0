"""mIoU over latency of every timed trial, and the front of those nobody beats."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from segshrink.records.search import SearchRecord, TeacherFigures, Trial
from segshrink.reporting.plots.label_placement import Box
from segshrink.reporting.plots.plot import Plot
from segshrink.reporting.plots.scatter import Point, draw_labels
from segshrink.reporting.plots.theme import (
    Mark,
    Theme,
    new_figure,
    style_axes,
    style_legend,
)
from segshrink.reporting.search.headline import figures_text
from segshrink.reporting.search.objective import Objective, worst_shown
from segshrink.reporting.search.plots.colors import search_colors
from segshrink.reporting.units import human_bytes, human_ms

_WIDE = 3.0
_MOST_NAMED = 8
# Points of the front nearer than this to a named one have no name of their own.
_APART_PX = 60
_TICK_MULTIPLES = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
_MIOU = Objective("miou")


def front_plot(record: SearchRecord) -> Plot | None:
    """A point a trial that ran to the end; `None` where none was timed."""
    timed = _timed(record)
    if not timed:
        return None
    note = "Up and to the left is better. Beside the names stands the size of the file."
    if record.limits.size_bytes is not None:
        note += (
            f" Trials above {human_bytes(record.limits.size_bytes)} are over a limit "
            "too, wherever they lie."
        )
    cut = sum(value < (_end(record, timed) or 0) for value in _mious(timed))
    if cut:
        are = "trial lies" if cut == 1 else "trials lie"
        note += f" {cut} {are} below the picture, where the triangles point."
    return Plot(
        stem="front",
        title="mIoU against latency",
        alt=_alt(record, timed),
        note=note,
        draw=partial(_draw, record, timed),
    )


def _timed(record: SearchRecord) -> list[Trial]:
    return [
        trial
        for trial in record.in_state("complete")
        if trial.latency_ms is not None and trial.miou is not None
    ]


def _mious(trials: Sequence[Trial]) -> list[float]:
    return [_miou(trial) for trial in trials]


def _miou(trial: Trial | TeacherFigures) -> float:
    return 100 * (trial.miou or 0.0)


def _latency(trial: Trial | TeacherFigures) -> float:
    return trial.latency_ms or 0.0


def _end(record: SearchRecord, timed: Sequence[Trial]) -> float | None:
    """Where the axis ends, if it cuts trials off; never any that have a name."""
    end = worst_shown(_mious(timed), _MIOU)
    named = [*record.front_trials, record.best_trial, record.default_trial]
    least = min(_mious([trial for trial in timed if trial in named]), default=end)
    return end if end is None or least is None else min(end, least)


def _alt(record: SearchRecord, timed: Sequence[Trial]) -> str:
    named = [
        f"trial {trial.number} {figures_text(trial)}"
        for trial in record.front_trials[:12]
    ]
    text = f"mIoU against latency of {len(timed)} trials"
    if named:
        text += f". On the front: {'; '.join(named)}"
    if record.teacher:
        text += f". Teacher: {figures_text(record.teacher)}"
    return f"{text}."


def _draw(record: SearchRecord, timed: Sequence[Trial], theme: Theme) -> Figure:
    figure = new_figure(8.4, 4.8, theme)
    axes = figure.subplots()
    x_label = "latency of the file, ms"
    if record.threads:
        x_label += f", {record.threads} thread{'' if record.threads == 1 else 's'}"
    title = "mIoU, % over latency, ms"
    style_axes(axes, theme, title=title, x=x_label, y="mIoU, %")
    end = _end(record, timed)
    _set_limits(axes, record, timed, end)
    _draw_limit(axes, record, theme)
    _draw_trials(axes, record, timed, end, theme)
    trials = _named_trials(axes, record, timed)
    named = [_point(trial, record, theme) for trial in trials]
    named += _teacher(record, theme)
    for point in named:
        axes.plot(
            point.median_ms,
            point.miou_percent,
            point.mark.marker,
            color=point.mark.color,
            markeredgecolor=theme.paper,
            markersize=point.diameter,
            zorder=4,
            label=_LEGEND.get(point.mark.marker),
        )
    handles, labels = _unique_handles(axes)
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 6)
    )
    style_legend(legend, theme)
    draw_labels(axes, named, theme, lambda: _obstacles(axes, record, timed, end))
    return figure


# The front's own points are told by its line.
_LEGEND = {"D": "recipe's own values", "s": "teacher"}


def _unique_handles(axes: Any) -> tuple[list[Any], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    return list(unique.values()), list(unique)


def _set_limits(
    axes: Any, record: SearchRecord, timed: Sequence[Trial], end: float | None
) -> None:
    latencies = [_latency(trial) for trial in timed]
    mious = [max(value, end or 0.0) for value in _mious(timed)]
    teacher = record.teacher
    if teacher and teacher.latency_ms and teacher.miou is not None:
        latencies.append(teacher.latency_ms)
        mious.append(_miou(teacher))
    if record.limits.latency_ms is not None:
        latencies.append(record.limits.latency_ms)
    low, high = min(latencies), max(latencies)
    if high / low >= _WIDE:
        axes.set_xscale("log")
        room = (high / low) ** 0.07
        axes.set_xlim(low / room, high * room)
        axes.xaxis.set_major_locator(LogLocator(subs=_TICK_MULTIPLES))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        room = max(0.1 * (high - low), 0.05 * high)
        axes.set_xlim(low - room, high + room)
    span = max(mious) - min(mious)
    room = max(0.1 * span, 0.5)
    axes.set_ylim(min(mious) - room, max(mious) + room)


def _draw_limit(axes: Any, record: SearchRecord, theme: Theme) -> None:
    limit = record.limits.latency_ms
    if limit is not None:
        axes.axvline(
            limit,
            color=theme.faint,
            linestyle=(0, (4, 3)),
            linewidth=1.2,
            zorder=1,
            label=f"limit, {human_ms(limit)} ms",
        )


def _draw_trials(
    axes: Any,
    record: SearchRecord,
    timed: Sequence[Trial],
    end: float | None,
    theme: Theme,
) -> None:
    """All trials as small points, and the line of the front."""
    colors = search_colors(theme)
    front = [trial for trial in record.front_trials if trial in timed]
    axes.step(
        [_latency(trial) for trial in front],
        _mious(front),
        where="post",
        color=colors.chosen,
        linewidth=1.6,
        marker="o",
        markersize=7,
        markeredgecolor=theme.paper,
        zorder=3,
        **({"label": "front"} if front else {}),
    )
    others = [
        trial
        for trial in timed
        if trial not in front and not trial.is_default and trial.number != record.best
    ]
    kinds = (
        ("over a limit", [t for t in others if not t.is_feasible], colors.over),
        ("other trials", [t for t in others if t.is_feasible], colors.trial),
    )
    for label, trials, color in kinds:
        look = {"linestyle": "", "color": color, "markersize": 6, "zorder": 2}
        look["markeredgecolor"] = theme.paper
        inside = [t for t in trials if end is None or _miou(t) >= end]
        if inside:
            places = [_latency(trial) for trial in inside]
            axes.plot(places, _mious(inside), marker="o", label=label, **look)
        outside = [trial for trial in trials if trial not in inside]
        places = [_latency(trial) for trial in outside]
        axes.plot(places, [end] * len(outside), marker="v", **look)


def _named_trials(
    axes: Any, record: SearchRecord, timed: Sequence[Trial]
) -> list[Trial]:
    """The best, the recipe's own, the ends of the front, and what stands apart."""
    front = [trial for trial in record.front_trials if trial in timed]
    firsts = [record.best_trial, record.default_trial, *front[:1], *front[-1:]]
    named: list[Trial] = []
    for trial in filter(None, firsts):
        if trial in timed and trial not in named:
            named.append(trial)
    for trial in front:
        if len(named) < _MOST_NAMED and _is_apart(axes, trial, named):
            named.append(trial)
    return named


def _is_apart(axes: Any, trial: Trial, named: Sequence[Trial]) -> bool:
    places = [(_latency(each), _miou(each)) for each in [trial, *named]]
    own, *others = axes.transData.transform(places)
    return all(max(abs(own - other)) > _APART_PX for other in others)


def _point(trial: Trial, record: SearchRecord, theme: Theme) -> Point:
    colors = search_colors(theme)
    is_best = trial.number == record.best
    name = f"{'best, ' * is_best}trial {trial.number}"
    color = colors.chosen if is_best or trial.number in record.front else colors.trial
    mark = Mark(color, "o")
    if trial.is_default:
        name = "best, recipe's own" if is_best else "recipe's own"
        mark = Mark(colors.default if trial.is_feasible else colors.over, "D")
    return _named_point(name, trial, mark, 10.0 if is_best else 8.0)


def _teacher(record: SearchRecord, theme: Theme) -> list[Point]:
    teacher = record.teacher
    if teacher is None or teacher.latency_ms is None or teacher.miou is None:
        return []
    mark = Mark(search_colors(theme).teacher, "s")
    return [_named_point("teacher", teacher, mark, 9.0)]


def _named_point(
    name: str, one: Trial | TeacherFigures, mark: Mark, diameter: float
) -> Point:
    size = f", {human_bytes(one.size_bytes)}" if one.size_bytes is not None else ""
    latency = _latency(one)
    return Point(
        label=f"{name}{size}",
        median_ms=latency,
        p25_ms=latency,
        p75_ms=latency,
        miou_percent=_miou(one),
        mark=mark,
        diameter=diameter,
    )


def _obstacles(
    axes: Any, record: SearchRecord, timed: Sequence[Trial], end: float | None
) -> list[Box]:
    """What names must not cover: other points, and the line of the front."""
    places = axes.transData.transform(
        [(_latency(trial), max(_miou(trial), end or 0.0)) for trial in timed]
    )
    boxes = [Box(x - 8, y - 8, 16, 16) for x, y in places]
    front = [trial for trial in record.front_trials if trial in timed]
    corners = axes.transData.transform(
        [(_latency(trial), _miou(trial)) for trial in front] or [(1, 1)]
    )
    for (x, y), (next_x, next_y) in zip(corners, corners[1:], strict=False):
        boxes.append(Box(min(x, next_x), y - 3, abs(next_x - x), 6))
        boxes.append(Box(next_x - 3, min(y, next_y), 6, abs(next_y - y)))
    limit = record.limits.latency_ms
    if limit is not None:
        x, _ = axes.transData.transform((limit, 0.0))
        area = axes.get_window_extent()
        boxes.append(Box(x - 3, area.y0, 6, area.height))
    return boxes
