"""Pairs of corresponding feature maps of a student and its teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
from rich.table import Table

from segshrink.distillation.feature_maps import LOGITS, FeatureMaps
from segshrink.distillation.kept_channels import kept_channels_of
from segshrink.text_table import ShownInNotebooks, as_text, columns


@dataclass(frozen=True)
class LayerPair:
    """Two feature maps to compare.

    Attributes:
        role: "encoder 1/4", "bottleneck", "decoder 1/2" (the resolution, as a share of
            the image's), "logits", or "chosen" for a pair that was named.
        teacher: name of the teacher's layer.
        student: name of the student's layer.
        teacher_shape: (height, width, channels) of the teacher's map.
        student_shape: the same of the student's.
        kept: channels of the teacher that are compared with those of the student, in
            order; None is all of them.
    """

    role: str
    teacher: str
    student: str
    teacher_shape: tuple[int, int, int]
    student_shape: tuple[int, int, int]
    kept: tuple[int, ...] | None = None

    @property
    def direct(self) -> bool:
        """Whether the maps are compared as they are, without a projection."""
        channels = self.teacher_shape[2] if self.kept is None else len(self.kept)
        return (*self.teacher_shape[:2], channels) == self.student_shape

    @property
    def comparison(self) -> str:
        """Operations that bring the two maps to one shape, in words."""
        steps = []
        if self.kept is not None and len(self.kept) < self.teacher_shape[2]:
            steps.append("kept channels")
        elif self.teacher_shape[2] != self.student_shape[2]:
            steps.append("1x1 projection")
        if self.teacher_shape[:2] != self.student_shape[:2]:
            steps.append("resize")
        return ", ".join(steps) or "direct"


class LayerMatches(tuple[LayerPair, ...], ShownInNotebooks):
    """Pairs of feature maps, from the image to the logits; `print` shows a table."""

    def select(self, *roles: str) -> "LayerMatches":
        """The pairs of some roles: "bottleneck", "decoder", "decoder 1/2".

        Raises:
            ValueError: if a role has no pair.
        """
        for role in roles:
            if not any(_has_role(pair, role) for pair in self):
                known = ", ".join(pair.role for pair in self)
                raise ValueError(f"no pair has the role {role!r}, there are: {known}.")
        return LayerMatches(
            pair for pair in self if any(_has_role(pair, role) for role in roles)
        )

    def __str__(self) -> str:
        return as_text(self)

    def __rich__(self) -> Table:
        rows = [
            (
                pair.role,
                pair.teacher,
                _size(pair.teacher_shape),
                pair.student,
                _size(pair.student_shape),
                pair.comparison,
            )
            for pair in self
        ]
        heads = ("role", "teacher", "", "student", "", "compared")
        return columns(heads, rows)


def _has_role(pair: LayerPair, role: str) -> bool:
    # "encoder" is a role of "encoder 1/2", but "encoder 1/1" is not of "encoder 1/16".
    return pair.role == role or pair.role.startswith(f"{role} ")


def match_layers(
    teacher: keras.Model,
    student: keras.Model,
    *,
    pairs: Mapping[str, str | None] | None = None,
    kept: Mapping[str, Sequence[int]] | None = None,
) -> LayerMatches:
    """Pair the feature maps of two models by role, resolution and order.

    The coarsest map that the output depends on is the bottleneck. The maps that it
    depends on are the encoder, those that depend on it the decoder, and the last map of
    each resolution in either is a stage. Stages of the same role and resolution are
    paired, the bottlenecks and the logits always. If the student has the teacher's
    layers, as after pruning, its stages are paired with the layers of their names.

    Args:
        teacher: Functional or Sequential model with a fixed image size.
        student: the same.
        pairs: other partners, {layer of the student: layer of the teacher}; None for
            the teacher leaves a stage out.
        kept: of a pruned student, the output channels that were kept of each layer that
            produces channels: `{layer.name: layer.kept for layer in plan.layers}`. They
            are traced to the maps that are compared.

    Returns:
        The pairs; the last is that of the logits.

    Raises:
        ModelError: if a model is not Functional or Sequential, has no fixed image
            size, or lacks a layer of `pairs`.
        ValueError: if `kept` does not fit the models.
    """
    ours, theirs = FeatureMaps(student), FeatureMaps(teacher)
    chosen = dict(pairs or {})
    if ours.output in chosen and chosen[ours.output] is None:
        raise ValueError(f"{ours.output}: the logits are always paired. Drop it.")
    if kept is not None and not set(kept) & set(theirs.nodes):
        raise ValueError(
            f"kept: none of {', '.join(kept)} is a layer of {teacher.name}. Give the "
            "plan that was made for this teacher."
        )
    ours.require(chosen)
    theirs.require([name for name in chosen.values() if name is not None])
    alike = ours.sizes == theirs.sizes
    partners = theirs.stages()
    matches = [
        (role, name, name if alike else partners[role])
        for role, name in ours.stages().items()
        if name not in chosen and (alike or role in partners)
    ]
    matches += [
        (LOGITS if name == ours.output else "chosen", name, other)
        for name, other in chosen.items()
        if other is not None
    ]
    order = list(ours.shapes)
    matches.sort(key=lambda pair: (pair[0] == LOGITS, order.index(pair[1])))
    return LayerMatches(
        LayerPair(
            role,
            other,
            name,
            theirs.shapes[other],
            ours.shapes[name],
            None
            if kept is None
            else kept_channels_of(theirs, other, ours.shapes[name], kept),
        )
        for role, name, other in matches
    )


def _size(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))
