"""Comparison of the outputs of student and teacher by the terms of a loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation.losses import MaskedLoss
from segshrink.distillation.matching import LayerPair
from segshrink.distillation.term import Term


@dataclass(frozen=True)
class Outputs:
    """Logits and feature maps of one model for a batch, the latter by name."""

    logits: Any
    features: Mapping[str, Any]


def compare(
    term: Term,
    projections: Sequence[keras.layers.Layer | None],
    theirs: Outputs,
    ours: Outputs,
    labels: Any,
    options: Mapping[str, Any],
) -> Any:
    """Value of a term before its weight.

    Args:
        term: the term.
        projections: for each pair, the layer that projects the student's map, or None.
        theirs: outputs of the teacher.
        ours: outputs of the student.
        labels: int32 `(batch, height, width)`, 255 for void.
        options: `sample_weight`, if there are such weights.
    """
    valid = ops.not_equal(labels, IGNORE_INDEX)
    if not term.pairs:
        square = _square(ours.logits, theirs.logits)
        return term.loss.compute_loss(
            theirs.logits,
            _means(ours.logits, square),
            _wholly(valid, square),
            **{name: _means(value, square) for name, value in options.items()},
        )
    total = 0.0
    for pair, projection in zip(term.pairs, projections, strict=True):
        teacher, student = _aligned(
            theirs.features[pair.teacher],
            ours.features[pair.student],
            pair,
            projection,
        )
        total += term.loss.compute_loss(teacher, student, valid, **options)
    return total / len(term.pairs)


def _square(logits: Any, taught: Any) -> tuple[int, int]:
    """Pixels of the student's logits for one of the teacher's, down and across."""
    (height, width), (rows, columns) = logits.shape[1:3], taught.shape[1:3]
    if height % rows or width % columns:
        raise ValueError(
            f"The teacher's logits of {rows}x{columns} are not means over squares of "
            f"the student's {height}x{width} pixels."
        )
    return height // rows, width // columns


def _means(values: Any, square: tuple[int, int]) -> Any:
    """Means over squares of pixels; values without pixels are returned unchanged."""
    if square == (1, 1) or len(values.shape) < 3:
        return values
    if len(values.shape) == 3:
        return _means(ops.expand_dims(values, -1), square)[..., 0]
    return ops.average_pool(values, square, strides=square)


def _wholly(valid: Any, square: tuple[int, int]) -> Any:
    """Mask of the squares that are valid throughout: void enters no mean."""
    if square == (1, 1):
        return valid
    void = ops.expand_dims(ops.cast(ops.logical_not(valid), "float32"), -1)
    return ops.equal(ops.max_pool(void, square, strides=square)[..., 0], 0.0)


def projection_for(loss: MaskedLoss, pair: LayerPair) -> keras.layers.Layer | None:
    """A 1x1 convolution to the teacher's channels, or None if the loss needs none."""
    channels = pair.teacher_shape[2] if pair.kept is None else len(pair.kept)
    if loss.any_channels or channels == pair.student_shape[2]:
        return None
    name = f"projection_{loss.name}_{pair.student}"
    layer = keras.layers.Conv2D(channels, 1, name=name)
    layer.build((None, *pair.student_shape))
    return layer


def _aligned(
    teacher: Any, student: Any, pair: LayerPair, projection: Any
) -> tuple[Any, Any]:
    """Both maps at the teacher's size, with its channels if there is a projection."""
    if pair.kept is not None and len(pair.kept) < pair.teacher_shape[2]:
        teacher = ops.take(teacher, ops.convert_to_tensor(pair.kept, "int32"), axis=-1)
    if projection is not None:
        student = projection(student)
    if pair.student_shape[:2] != pair.teacher_shape[:2]:
        size = pair.teacher_shape[:2]
        student = ops.image.resize(student, size, interpolation="bilinear")
    return teacher, student
