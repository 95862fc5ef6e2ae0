"""Checks of a plan in a file against the two models that it is said to lie between."""

from collections.abc import Iterator
from pathlib import Path

import keras

from segshrink.errors import UsageError
from segshrink.records.plan import PlannedLayerRecord, PlanRecord

_SHOWN_FAULTS = 5


def require_plan_between(
    file: Path, record: PlanRecord, teacher: keras.Model, student: keras.Model
) -> None:
    """Refuse a plan that does not lead from the teacher to the student.

    Args:
        file: the plan's file, for messages.
        record: the plan.
        teacher: model that it must have been made for.
        student: model that it must have led to.

    Raises:
        UsageError: naming each layer that contradicts it.
    """
    faults = list(_faults(record, teacher, student))
    if faults:
        more = f"\n  and {len(faults) - _SHOWN_FAULTS} more."
        lines = [f"  {fault}" for fault in faults[:_SHOWN_FAULTS]]
        raise UsageError(
            f"{file}: this plan does not lead from the teacher to the student.\n"
            + "\n".join(lines)
            + (more if len(faults) > _SHOWN_FAULTS else "")
            + "\nName the plan that `prune` wrote for them with --plan, or remove the "
            "file to compare by projections."
        )


def _faults(
    record: PlanRecord, teacher: keras.Model, student: keras.Model
) -> Iterator[str]:
    for who, model, weights in (
        ("teacher", teacher, record.parameters_before),
        ("student", student, record.parameters_after),
    ):
        if model.count_params() != weights:
            yield (
                f"{weights:,} weights planned for the {who}, which has "
                f"{model.count_params():,}"
            )
    if not record.layers:
        yield "it lists no layer"
    names = [layer.name for layer in record.layers]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{name}: listed twice"
    for layer in record.layers:
        yield from _faults_of_layer(layer, teacher, student)


def _faults_of_layer(
    layer: PlannedLayerRecord, teacher: keras.Model, student: keras.Model
) -> Iterator[str]:
    kept = layer.kept
    is_within = all(0 <= channel < layer.channels_before for channel in kept)
    if not kept or not is_within or list(kept) != sorted(set(kept)):
        yield (
            f"{layer.name}: the kept channels must ascend from 0 to "
            f"{layer.channels_before - 1}, got {str(list(kept)):.60}"
        )
    if len(kept) != layer.channels_after:
        yield (
            f"{layer.name}: {len(kept)} kept channels listed, "
            f"{layer.channels_after} counted"
        )
    for who, model, channels in (
        ("teacher", teacher, layer.channels_before),
        ("student", student, layer.channels_after),
    ):
        shape = _output_shape(model, layer.name)
        if shape is None:
            yield f"{layer.name}: no such layer in the {who}"
        elif shape and channels not in shape:
            yield f"{layer.name}: {channels} channels, but the {who} gives {shape}"


def _output_shape(model: keras.Model, name: str) -> tuple[int | None, ...] | None:
    """Shape of a layer's output, empty if it has several; None without such a layer."""
    found = [layer for layer in model.layers if layer.name == name]
    if not found:
        return None
    try:
        shape = found[0].output.shape
    except (AttributeError, ValueError):
        return ()
    return tuple(shape)
