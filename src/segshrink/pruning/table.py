"""A pruning plan as a table for the terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from segshrink.records.plan import (
    MeasuredLatency,
    MeasuredSize,
    PlannedGroupRecord,
    PlanRecord,
    SpentMilliseconds,
)
from segshrink.text_table import columns

_NAMED = 2


def plan_table(record: PlanRecord) -> Group:
    """The record of a plan as lines and tables that Rich prints."""
    parts: list[RenderableType] = [
        f"Pruning plan for {record.model}",
        _change("parameters", record.parameters_before, record.parameters_after),
    ]
    if record.macs_before and record.macs_after is not None:
        parts.append(_change("MACs", record.macs_before, record.macs_after))
    parts += _measured(record)
    if record.groups:
        parts += ["", _groups(record.groups)]
    together = [group.layers for group in record.groups if len(group.layers) > 1]
    if together:
        parts += ["", "together: the same channels leave from all layers of a line"]
        parts += [f"  {', '.join(layers)}" for layers in together]
    if record.frozen:
        rows = [
            (frozen.layer, str(frozen.channels), frozen.reason)
            for frozen in record.frozen
        ]
        heads = ("must stay", "channels", "because")
        parts += ["", columns(heads, rows, numbers=("channels",))]
    if record.custom_layers:
        parts += ["", "the saved model loads only with the packages of these layers:"]
        parts += [f"  {layer}" for layer in record.custom_layers]
    # A plain string would be read as console markup.
    return Group(*(Text(part) if isinstance(part, str) else part for part in parts))


def _change(name: str, before: int, after: int) -> str:
    share = after / before if before else 1.0
    return f"{name} {before:,} -> {after:,} ({share:.1%})"


def _groups(groups: Sequence[PlannedGroupRecord]) -> RenderableType:
    """One row per group; shares overlap, since a kernel joins two groups."""
    heads = ("prunable", "channels", "kept", "of parameters", "of MACs")
    rows = [
        (
            _name(group.layers),
            str(group.units_before),
            str(group.units_after),
            _percent(group.parameters_share),
            _percent(group.macs_share),
        )
        for group in groups
    ]
    return columns(heads, rows, numbers=heads[1:])


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _name(layers: Sequence[str]) -> str:
    more = len(layers) - _NAMED
    named = ", ".join(layers[:_NAMED])
    return named if more <= 0 else f"{named} +{more}"


def _measured(record: PlanRecord) -> list[RenderableType]:
    if record.measured is None:
        return ["latency: not measured; fewer MACs do not buy it by themselves"]
    if isinstance(record.measured, MeasuredSize):
        return [_size(record.measured)]
    macs = (record.macs_before or 0) / (record.macs_after or 1)
    return _latency(record.measured, fewer_macs=macs)


def _size(measured: MeasuredSize) -> str:
    before, after = measured.before, measured.after
    return (
        f"file {before:,.0f} -> {after:,.0f} bytes, {before / after:.2f}x smaller "
        f"(budget {measured.target:,.0f}, predicted {measured.predicted:,.0f})"
    )


def _latency(measured: MeasuredLatency, *, fewer_macs: float) -> list[RenderableType]:
    before, after = measured.before, measured.after
    faster = before / after
    lines: list[RenderableType] = [
        f"latency {before:.2f} -> {after:.2f} ms, {faster:.2f}x faster in "
        f"{measured.runtime} with {measured.threads} thread(s), measured "
        f"(budget {measured.target:.2f} ms, predicted {measured.predicted:.2f} ms)",
        f"{faster / fewer_macs:.0%} of the {fewer_macs:.2f}x fewer MACs became latency",
    ]
    if measured.spent_ms is not None:
        lines.append(_spent(measured.spent_ms, measured.blocks.outputs))
    if measured.slowest_layers:
        heads = ("most time now", "ms before", "ms after", "bound by")
        rows = [
            (row.layer, f"{row.before_ms:.2f}", f"{row.after_ms:.2f}", row.bound_by)
            for row in measured.slowest_layers
        ]
        lines += ["", columns(heads, rows, numbers=heads[1:3])]
    return lines


def _spent(spent: SpentMilliseconds, block: int) -> str:
    """Parts of the latency that is left, of which only some follow the MACs."""
    parts = [f"{spent.macs:.2f} ms multiply"]
    if block > 1:
        parts.append(f"{spent.blocks:.2f} ms fill blocks of {block} channels up")
    parts.append(f"{spent.memory:.2f} ms move values")
    parts.append(f"{spent.constant:.2f} ms depend on no channel")
    return f"of what is left, by the latency model: {', '.join(parts)}"
