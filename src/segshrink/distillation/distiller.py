"""A trainer that shows a student both the labels and the outputs of its teacher."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import keras
from keras import ops

from segshrink.data import IGNORE_INDEX, UNLABELLED
from segshrink.distillation.comparison import Outputs, compare, projection_for
from segshrink.distillation.feature_maps import feature_model
from segshrink.distillation.losses import boundary_weights
from segshrink.distillation.losses.masked_loss import MaskedLoss
from segshrink.distillation.losses.pixel_kl import log_probabilities
from segshrink.distillation.matching import LayerPair
from segshrink.distillation.term import (
    Term,
    Weight,
    as_terms,
    check_boundary,
    check_pairs,
    check_terms,
    check_weights,
)

TEACHER_LOGITS = "teacher_logits"
IMAGES = "images"


class Distiller(keras.Model):
    """Trains `student` on labels and on the outputs of `teacher` for the same images.

    loss = supervised_weight * supervised + sum of weight * loss over the terms, each
    over the pixels that have a class. All parts are logged by name. A step runs the
    student once; the teacher runs in inference mode and gets no gradient, or does not
    run at all where the data brings its logits. Only the student's weights change, and
    those of the projections between feature maps of different shape, which do not
    belong to it: the student stays a plain model.

    `fit` takes images `(batch, height, width, 3)` or, with the teacher's logits,
    `{"images": ..., "teacher_logits": ...}`; labels `(batch, height, width)` with 255
    for void, and 254 for pixels without a label, on which only the teacher counts; and
    optionally `sample_weight` `(batch,)`. Logits of the teacher may be
    means over squares of pixels; they are compared with the same means of the
    student's, which takes a fraction of the time.

    Args:
        student: images to logits `(batch, height, width, classes)`; trained in place.
        teacher: images to logits of the same shape; left exactly as it is. None if all
            data brings the teacher's logits.
        supervised: loss of labels `(batch, height, width)` and student logits.
        terms: terms that compare student and teacher, at least one; their names must
            differ. A loss alone compares the logits, with weight 1.
        supervised_weight: factor of the supervised loss.
        boundary_weight: weight of pixels near a border of two classes in the terms over
            pixels, see `boundary_weights`; all others have weight 1.
        pseudo_threshold: in [0, 1); pixels without a label count where the teacher's
            greatest probability is at least this.

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
        terms: Sequence[Term | MaskedLoss],
        supervised_weight: Weight = 1.0,
        boundary_weight: float = 1.0,
        pseudo_threshold: float = 0.0,
    ) -> None:
        super().__init__(name="distiller")
        terms = as_terms(terms)
        check_terms(terms, student, teacher)
        check_boundary(terms, boundary_weight)
        check_weights(supervised_weight, *(term.weight for term in terms))
        self.student = student
        self.supervised = supervised
        self.supervised_weight = supervised_weight
        self.terms = terms
        self.boundary_weight = boundary_weight
        self.pseudo_threshold = pseudo_threshold
        pairs = [pair for term in terms for pair in term.pairs or ()]
        check_pairs(pairs, student, teacher)
        self._student_maps, self._teacher_maps = _map_names(pairs)
        # `partial` and closures hide both models from Keras: it would count the
        # teacher's weights among those to train, and freezing them would change an
        # object that belongs to the caller.
        self._run_student = partial(_outputs(student, self._student_maps))
        self._teach = None
        if teacher is not None:
            self._teach = _inference(_outputs(teacher, self._teacher_maps))
        self.projections = [
            [projection_for(term.loss, pair) for pair in term.pairs or ()]
            for term in terms
        ]
        names = ["supervised", *(term.loss.name for term in terms)]
        self.trackers = [keras.metrics.Mean(name=name) for name in names]
        # Steps are counted here, since not every backend shows those of the optimizer
        # to the loss.
        self.steps = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="steps"
        )
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Logits of the student, or [logits, feature maps...] if terms need them."""
        images, _ = _parts(inputs)
        return _exact(self._run_student(images, training=training))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Weighted sum of all losses; void counts in none.

        Losses of the student's own layers, such as regularizers, are added too.
        """
        logits, *maps = y_pred if self._student_maps else [y_pred]
        ours = Outputs(logits, dict(zip(self._student_maps, maps, strict=True)))
        theirs = self._taught(x)
        labels = ops.reshape(ops.cast(y, "int32"), ops.shape(logits)[:-1])
        weigh = {} if sample_weight is None else {"sample_weight": sample_weight}
        known = ops.where(ops.equal(labels, UNLABELLED), IGNORE_INDEX, labels)
        values = [self.supervised(known, logits, **weigh)]
        labels = self._without_uncertain(labels, theirs.logits)
        for term, projections in zip(self.terms, self.projections, strict=True):
            if term.loss.pixel_weights and self.boundary_weight != 1:
                pixels = self._pixel_weights(labels, sample_weight)
                options = {"sample_weight": pixels}
            else:
                options = weigh
            values.append(compare(term, projections, theirs, ours, labels, options))
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

    def _taught(self, inputs: Any) -> Outputs:
        images, given = _parts(inputs)
        if given is not None:
            if self._teacher_maps:
                raise ValueError(
                    f"The data brings {TEACHER_LOGITS}, but the terms compare feature "
                    "maps, for which the teacher must run. Drop one of the two."
                )
            return Outputs(given, {})
        if self._teach is None:
            raise ValueError(
                "This distiller has no teacher: its data must be "
                f'{{"{IMAGES}": ..., "{TEACHER_LOGITS}": ...}}.'
            )
        taught = self._teach(images)
        logits, *maps = taught if self._teacher_maps else [taught]
        return Outputs(logits, dict(zip(self._teacher_maps, maps, strict=True)))

    def _without_uncertain(self, labels: Any, taught: Any) -> Any:
        """Labels with void where there is no label and the teacher is not certain."""
        if not self.pseudo_threshold:
            return labels
        probabilities = ops.exp(log_probabilities(taught, 1.0))
        certain = ops.max(probabilities, axis=-1) >= self.pseudo_threshold
        for axis in (1, 2):
            times = labels.shape[axis] // certain.shape[axis]
            certain = ops.repeat(certain, times, axis=axis)
        unknown = ops.logical_and(
            ops.equal(labels, UNLABELLED), ops.logical_not(certain)
        )
        return ops.where(unknown, IGNORE_INDEX, labels)

    def _pixel_weights(self, labels: Any, sample_weight: Any) -> Any:
        # Where labels end is no border between classes.
        known = ops.where(ops.equal(labels, UNLABELLED), IGNORE_INDEX, labels)
        weights = boundary_weights(known, self.boundary_weight)
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


def _parts(inputs: Any) -> tuple[Any, Any]:
    """Split inputs into images and the teacher's logits, if there are any."""
    if isinstance(inputs, dict):
        return inputs[IMAGES], inputs.get(TEACHER_LOGITS)
    return inputs, None


def _outputs(model: keras.Model, names: Sequence[str]) -> keras.Model:
    return feature_model(model, names) if names else model


def _exact(outputs: Any) -> Any:
    """float32, whatever precision a model computed in: losses need it."""
    return keras.tree.map_structure(lambda x: ops.cast(x, "float32"), outputs)


def _inference(model: keras.Model) -> Callable[[Any], Any]:
    """The model in inference mode, without gradient."""

    def run(images: Any) -> Any:
        outputs = _exact(model(images, training=False))
        return keras.tree.map_structure(ops.stop_gradient, outputs)

    if keras.backend.backend() != "torch":
        return run

    def run_without_graph(images: Any) -> Any:
        import torch

        # Stopping the gradient at the end would still record it up to there.
        with torch.no_grad():
            return run(images)

    return run_without_graph


def _map_names(pairs: Sequence[LayerPair]) -> tuple[list[str], list[str]]:
    """Names of the maps of the student and of the teacher, without repetition."""
    return (
        list(dict.fromkeys(pair.student for pair in pairs)),
        list(dict.fromkeys(pair.teacher for pair in pairs)),
    )
