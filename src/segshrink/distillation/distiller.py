"""A trainer that shows a student both the labels and what its teacher knows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import Any, TypeAlias

import keras
from keras import ops

from segshrink.data import IGNORE_INDEX
from segshrink.distillation.losses import DIST, MaskedLoss, boundary_weights
from segshrink.distillation.losses.dist import require_relations
from segshrink.distillation.losses.masked_loss import require_factor
from segshrink.distillation.matching import LayerPair, feature_model, map_shapes

Weight: TypeAlias = float | keras.optimizers.schedules.LearningRateSchedule
"""A factor >= 0, or a schedule that gives one for each training step."""

TEACHER_LOGITS = "teacher_logits"
IMAGES = "images"


@dataclass(frozen=True)
class Term:
    """One thing that a student learns from its teacher.

    Attributes:
        loss: compares a map of the teacher with one of the student.
        weight: its factor in the sum; dimensionless.
        pairs: the feature maps it compares, such as `match_layers(teacher,
            student).select("decoder")`; the mean over them counts. None compares the
            logits.
    """

    loss: MaskedLoss
    weight: Weight = 1.0
    pairs: Sequence[LayerPair] | None = None


class Distiller(keras.Model):
    """Trains `student` with labels and with what `teacher` makes of the same images.

    loss = supervised_weight * supervised + sum of weight * loss over the terms, each
    over the pixels that have a class. All parts are logged by name. A step runs the
    student once; the teacher runs in inference mode and gets no gradient, or does not
    run at all where the data brings its logits. Only the student's weights change, and
    those of the projections between feature maps of different shape, which are no part
    of it: the student stays a plain model.

    `fit` takes images `(batch, height, width, 3)` or, with the teacher's logits,
    `{"images": ..., "teacher_logits": ...}`; labels `(batch, height, width)` with 255
    for void; and optionally `sample_weight` `(batch,)`. Logits of the teacher may be
    means over squares of pixels; they are compared with the same means of the
    student's, which takes a fraction of the time.

    Args:
        student: images to logits `(batch, height, width, classes)`; trained in place.
        teacher: images to logits of the same shape; left exactly as it is. None if all
            data brings the teacher's logits.
        supervised: loss of labels `(batch, height, width)` and student logits.
        terms: what is learnt from the teacher, at least one; names must differ.
        supervised_weight: factor of the supervised loss.
        boundary_weight: what pixels near a border of two classes count in the terms
            over pixels, see `boundary_weights`; 1 is what all others count.
        boundary_px: how near, in pixels.

    Raises:
        ValueError: if the models differ in input or output shape, a term does not fit
            them, needs a teacher that is not there, or an option has no effect.
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model | None,
        *,
        supervised: keras.losses.Loss,
        terms: Sequence[Term],
        supervised_weight: Weight = 1.0,
        boundary_weight: float = 1.0,
        boundary_px: int = 2,
    ) -> None:
        super().__init__(name="distiller")
        _check_terms(terms, student, teacher)
        _check_boundary(terms, boundary_weight, boundary_px)
        _check_weights(supervised_weight, *(term.weight for term in terms))
        self.student = student
        self.supervised = supervised
        self.supervised_weight = supervised_weight
        self.terms = tuple(terms)
        self.boundary_weight = boundary_weight
        self.boundary_px = boundary_px
        pairs = [pair for term in terms for pair in term.pairs or ()]
        _check_pairs(pairs, student, teacher)
        self._student_maps, self._teacher_maps = _map_names(pairs)
        # Behind partial, where Keras does not look: it would count the teacher's
        # weights among those to train, and marking them otherwise would change an
        # object that is the caller's.
        self._run_student = partial(_outputs(student, self._student_maps))
        self._teach = None
        if teacher is not None:
            self._teach = _inference(_outputs(teacher, self._teacher_maps))
        self.projections = [
            [_projection(term.loss, pair) for pair in term.pairs or ()]
            for term in terms
        ]
        names = ["supervised", *(term.loss.name for term in terms)]
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        # Of its own: not every backend shows the optimizer's steps to the loss.
        self.steps = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="steps"
        )
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Logits of the student, or [logits, feature maps...] if terms need them."""
        images, _ = _parts(inputs)
        return self._run_student(images, training=training)

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Weighted sum of all losses; void counts in none.

        What the student's layers add themselves, such as regularizers, is added as in
        any training.
        """
        logits, *maps = y_pred if self._student_maps else [y_pred]
        ours = _Maps(logits, dict(zip(self._student_maps, maps, strict=True)))
        theirs = self._taught(x)
        labels = ops.reshape(ops.cast(y, "int32"), ops.shape(logits)[:-1])
        weigh = {} if sample_weight is None else {"sample_weight": sample_weight}
        values = [self.supervised(y, logits, **weigh)]
        for term, projections in zip(self.terms, self.projections, strict=True):
            if term.loss.pixel_weights and self.boundary_weight != 1:
                pixels = self._pixel_weights(labels, sample_weight)
                options = {"sample_weight": pixels}
            else:
                options = weigh
            values.append(_compared(term, projections, theirs, ours, labels, options))
        for tracker, value in zip(self.trackers, values, strict=True):
            tracker.update_state(value, sample_weight=ops.shape(logits)[0])
        weights = [self.supervised_weight, *(term.weight for term in self.terms)]
        total = sum(
            self._now(weight) * value
            for weight, value in zip(weights, values, strict=True)
        )
        total += sum(ops.sum(loss) for loss in self.losses)
        if training:
            self.steps.assign_add(1)
        return total

    def _taught(self, inputs: Any) -> "_Maps":
        images, given = _parts(inputs)
        if given is not None:
            if self._teacher_maps:
                raise ValueError(
                    f"The data brings {TEACHER_LOGITS}, but the terms compare feature "
                    "maps, for which the teacher must run. Drop the one or the other."
                )
            return _Maps(given, {})
        if self._teach is None:
            raise ValueError(
                "This distiller has no teacher: its data must be "
                f'{{"{IMAGES}": ..., "{TEACHER_LOGITS}": ...}}.'
            )
        taught = self._teach(images)
        logits, *maps = taught if self._teacher_maps else [taught]
        return _Maps(logits, dict(zip(self._teacher_maps, maps, strict=True)))

    def _pixel_weights(self, labels: Any, sample_weight: Any) -> Any:
        weights = boundary_weights(labels, self.boundary_weight, self.boundary_px)
        if sample_weight is None:
            return weights
        sample_weight = ops.cast(sample_weight, "float32")
        if len(sample_weight.shape) == 1:
            sample_weight = ops.reshape(sample_weight, (-1, 1, 1))
        return weights * sample_weight

    def _now(self, weight: Weight) -> Any:
        if isinstance(weight, keras.optimizers.schedules.LearningRateSchedule):
            return ops.cast(weight(self.steps), "float32")
        return weight


@dataclass(frozen=True)
class _Maps:
    """What one model makes of a batch: its logits, and feature maps by name."""

    logits: Any
    features: dict[str, Any]


def _compared(
    term: Term,
    projections: Sequence[keras.layers.Layer | None],
    theirs: _Maps,
    ours: _Maps,
    labels: Any,
    options: dict[str, Any],
) -> Any:
    """The value of a term before its weight."""
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
            f"The teacher's logits of {rows}x{columns} are no means over squares of "
            f"the student's {height}x{width} pixels."
        )
    return height // rows, width // columns


def _means(values: Any, square: tuple[int, int]) -> Any:
    """Means over squares of pixels; what has no pixels stays as it is."""
    if square == (1, 1) or len(values.shape) < 3:
        return values
    if len(values.shape) == 3:
        return _means(ops.expand_dims(values, -1), square)[..., 0]
    return ops.average_pool(values, square, strides=square)


def _wholly(valid: Any, square: tuple[int, int]) -> Any:
    """Whether all pixels of each square are valid: void enters no mean."""
    if square == (1, 1):
        return valid
    void = ops.expand_dims(ops.cast(ops.logical_not(valid), "float32"), -1)
    return ops.equal(ops.max_pool(void, square, strides=square)[..., 0], 0.0)


def _parts(inputs: Any) -> tuple[Any, Any]:
    """(images, the teacher's logits or None)."""
    if isinstance(inputs, dict):
        return inputs[IMAGES], inputs.get(TEACHER_LOGITS)
    return inputs, None


def _outputs(model: keras.Model, names: Sequence[str]) -> keras.Model:
    return feature_model(model, names) if names else model


def _inference(model: keras.Model) -> Callable[[Any], Any]:
    """The model in inference mode, without gradient."""

    def run(images: Any) -> Any:
        return keras.tree.map_structure(
            ops.stop_gradient, model(images, training=False)
        )

    if keras.backend.backend() != "torch":
        return run

    def run_without_graph(images: Any) -> Any:
        import torch

        # A gradient that is stopped at the end would still be recorded up to there.
        with torch.no_grad():
            return run(images)

    return run_without_graph


def _map_names(pairs: Sequence[LayerPair]) -> tuple[list[str], list[str]]:
    """Names of the student's and of the teacher's maps, each once."""
    return (
        list(dict.fromkeys(pair.student for pair in pairs)),
        list(dict.fromkeys(pair.teacher for pair in pairs)),
    )


def _projection(loss: MaskedLoss, pair: LayerPair) -> keras.layers.Layer | None:
    """The 1x1 convolution to the teacher's channels where the loss needs one."""
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
    """Both maps with the teacher's size and, but for losses that need not, channels."""
    if pair.kept is not None and len(pair.kept) < pair.teacher_shape[2]:
        teacher = ops.take(teacher, ops.convert_to_tensor(pair.kept, "int32"), axis=-1)
    if projection is not None:
        student = projection(student)
    if pair.student_shape[:2] != pair.teacher_shape[:2]:
        size = pair.teacher_shape[:2]
        student = ops.image.resize(student, size, interpolation="bilinear")
    return teacher, student


def _check_terms(
    terms: Sequence[Term], student: keras.Model, teacher: keras.Model | None
) -> None:
    if teacher is not None:
        for side in ("input_shape", "output_shape"):
            # Subclassed models have none.
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
            f"{type(term.loss).__name__}: knows of no void. Take a loss of "
            "segshrink.distillation, or keras.distillation.Distiller."
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


def _check_pairs(
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


def _check_boundary(
    terms: Sequence[Term], boundary_weight: float, boundary_px: int
) -> None:
    require_factor("boundary_weight", boundary_weight)
    if boundary_px < 1:
        raise ValueError(f"boundary_px must be at least 1, got {boundary_px}.")
    if boundary_weight != 1 and not any(t.loss.pixel_weights for t in terms):
        names = ", ".join(term.loss.name for term in terms)
        raise ValueError(
            f"boundary_weight has no effect on {names}, which compare whole images."
        )


def _check_weights(*weights: Weight) -> None:
    plain = [weight for weight in weights if isinstance(weight, Real)]
    for weight in plain:
        require_factor("weight", float(weight))
    if len(plain) == len(weights) and not any(plain):
        raise ValueError("all weights are 0: there is nothing to learn.")
