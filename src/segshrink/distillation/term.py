"""Terms of a distillation loss, and checks that they fit the models."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TypeAlias

import keras

from segshrink.distillation.feature_maps import map_shapes
from segshrink.distillation.losses import DIST, MaskedLoss
from segshrink.distillation.losses.dist import require_relations
from segshrink.distillation.losses.masked_loss import require_factor
from segshrink.distillation.matching import LayerPair

Weight: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule
"""A factor >= 0, or a schedule that gives one for each training step."""


@dataclass(frozen=True)
class Term:
    """One term of a distillation loss: a comparison of student and teacher.

    Attributes:
        loss: compares a map of the teacher with one of the student.
        weight: its factor in the sum; dimensionless.
        pairs: feature maps to compare, such as `match_layers(teacher,
            student).select("decoder")`; their mean is taken. None compares the logits.
    """

    loss: MaskedLoss
    weight: Weight = 1.0
    pairs: Sequence[LayerPair] | None = None


def as_terms(terms: Iterable[Term | MaskedLoss]) -> tuple[Term, ...]:
    """The terms; a loss alone is one of weight 1 that compares the logits."""
    return tuple(x if isinstance(x, Term) else Term(x) for x in terms)


def check_terms(
    terms: Sequence[Term], student: keras.Model, teacher: keras.Model | None
) -> None:
    """Refuse terms that do not fit the models or each other."""
    if teacher is not None:
        for side in ("input_shape", "output_shape"):
            # Subclassed models have no fixed shapes.
            theirs, ours = getattr(teacher, side, None), getattr(student, side, None)
            if None not in (theirs, ours) and theirs != ours:
                raise ValueError(
                    f"Teacher and student must have the same {side}, got {theirs} and "
                    f"{ours}."
                )
    for term in terms:
        _check_term(term, getattr(student, "output_shape", None), teacher)
    names = [term.loss.name for term in terms]
    if not names or len(set(names)) < len(names) or "supervised" in names:
        raise ValueError(
            f"terms must be at least one, and their losses' names differ, got {names}."
        )


def _check_term(term: Term, output: tuple | None, teacher: keras.Model | None) -> None:
    if not isinstance(term.loss, MaskedLoss):
        raise ValueError(
            f"{type(term.loss).__name__}: does not leave out void pixels. Take a loss "
            "of segshrink.distillation, or keras.distillation.Distiller."
        )
    if term.pairs and term.loss.logits_only:
        raise ValueError(
            f"{term.loss.name}: compares classes, which feature maps do not have. "
            "Drop its pairs."
        )
    if term.pairs and teacher is None:
        raise ValueError(f"{term.loss.name}: feature maps need a teacher, got None.")
    if isinstance(term.loss, DIST) and output is not None:
        require_relations(output[-1], term.loss.inter)


def check_pairs(
    pairs: Sequence[LayerPair], student: keras.Model, teacher: keras.Model | None
) -> None:
    """Refuse pairs that were matched between other models."""
    if not pairs or teacher is None:
        return
    ours, theirs = map_shapes(student), map_shapes(teacher)
    for pair in pairs:
        for model, name, wanted, shapes in (
            (student, pair.student, pair.student_shape, ours),
            (teacher, pair.teacher, pair.teacher_shape, theirs),
        ):
            if shapes.get(name) != wanted:
                raise ValueError(
                    f"{pair.role}: {model.name} has no map {name!r} of {wanted}, got "
                    f"{shapes.get(name)}. Match the layers of these two models."
                )


def check_boundary(terms: Sequence[Term], boundary_weight: float) -> None:
    """Refuse a boundary weight that is out of range or has no effect."""
    require_factor("boundary_weight", boundary_weight)
    if boundary_weight != 1 and not any(t.loss.pixel_weights for t in terms):
        names = ", ".join(term.loss.name for term in terms)
        raise ValueError(
            f"boundary_weight has no effect on {names}, which compare whole images."
        )


def check_weights(*weights: Weight) -> None:
    """Refuse negative weights, and weights that are all 0."""
    plain = [weight for weight in weights if isinstance(weight, Real)]
    for weight in plain:
        require_factor("weight", float(weight))
    if len(plain) == len(weights) and not any(plain):
        raise ValueError("all weights are 0: there is nothing to learn.")
