"""Base of distillation losses: void, weights, dtypes and shapes."""

from typing import Any

import numpy as np
from keras import ops
from keras.distillation import DistillationLoss

from segshrink.objectives.pixel_loss import one_if_zero, shapes_fit


class MaskedLoss(DistillationLoss):
    """Base of the losses between a map of the teacher and a map of the student.

    The teacher gets no gradient, computation is in float32, and void pixels do not
    count: not even a NaN there reaches the result. In `keras.distillation.Distiller`
    all pixels count.

    Args:
        teacher_layer_name: layer of the teacher whose output
            `keras.distillation.Distiller` passes; None is the model's output.
            `segshrink.distillation.Distiller` uses the pairs of its terms instead.
        student_layer_name: the same of the student.
    """

    # Training reports the loss under this name, and recipes use it.
    name: str
    # Whether the teacher's map may have another number of channels than the student's.
    any_channels = False
    # Whether single pixels can have weights, or only whole images.
    pixel_weights = False
    # Whether it compares classes, so that it only fits logits.
    logits_only = False

    def __init__(
        self,
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
    ) -> None:
        self.teacher_layer_name = teacher_layer_name
        self.student_layer_name = student_layer_name

    def compute_loss(
        self,
        teacher_outputs: Any,
        student_outputs: Any,
        valid: Any = None,
        sample_weight: Any = None,
    ) -> Any:
        """Loss of one batch.

        Args:
            teacher_outputs: float map `(batch, height, width, channels)`.
            student_outputs: map of the same height and width.
            valid: bool `(batch, rows, columns)`, False where a pixel is void; may have
                another resolution than the maps: a cell then counts by the valid share
                of its area. None counts everything.
            sample_weight: float >= 0, `(batch,)`; losses over pixels also take
                `(batch, rows, columns)`.

        Returns:
            float32 scalar; 0, with zero gradient, where nothing is valid.

        Raises:
            ValueError: if the shapes do not fit together.
        """
        self._check_maps(tuple(teacher_outputs.shape), tuple(student_outputs.shape))
        size = tuple(student_outputs.shape[1:3])
        batch = student_outputs.shape[0]
        if valid is not None:
            self._check_mask("valid", tuple(valid.shape), (batch, None, None))
            valid = ops.cast(valid, "float32")
        images = None
        if sample_weight is not None:
            sample_weight = ops.cast(sample_weight, "float32")
            shape = tuple(sample_weight.shape)
            if len(shape) == 1 or not self.pixel_weights:
                self._check_mask("sample_weight", shape, (batch,))
                images = sample_weight
            else:
                wanted = (batch, None, None) if valid is None else tuple(valid.shape)
                self._check_mask("sample_weight", shape, wanted)
                valid = sample_weight if valid is None else valid * sample_weight
        area = None if valid is None else _area(valid, size)
        teacher = ops.stop_gradient(ops.cast(teacher_outputs, "float32"))
        student = ops.cast(student_outputs, "float32")
        if area is None:
            area = ops.ones_like(student[..., 0])
        else:
            # Values are replaced here rather than in the result, where the gradient at
            # a void pixel with a NaN would be 0 * NaN = NaN.
            counts = ops.expand_dims(area > 0, -1)
            teacher = ops.where(counts, teacher, 0.0)
            student = ops.where(counts, student, 0.0)
        return self._over_images(teacher, student, area, images)

    def value(self, teacher: Any, student: Any, weights: Any) -> Any:
        """Loss of maps whose void cells hold 0.

        Args:
            teacher: float32 `(batch, height, width, channels)`, without gradient.
            student: float32, the same except perhaps for the channels.
            weights: float32 `(batch, height, width)`, >= 0, weight of each cell.

        Returns:
            float32 scalar if `pixel_weights`, else `(batch,)`.
        """
        raise NotImplementedError

    def _over_images(self, teacher: Any, student: Any, area: Any, images: Any) -> Any:
        if self.pixel_weights:
            if images is not None:
                area = area * ops.reshape(images, (-1, 1, 1))
            return self.value(teacher, student, area)
        counts = ops.cast(ops.max(area, axis=(1, 2)) > 0, "float32")  # (batch,)
        if images is not None:
            counts = counts * images
        values = self.value(teacher, student, area)
        return ops.sum(counts * values) / one_if_zero(ops.sum(counts))

    def _check_mask(self, name: str, shape: tuple, wanted: tuple) -> None:
        # Otherwise a mask with a channel axis, or of one image, would broadcast.
        if not shapes_fit(shape, wanted):
            raise ValueError(
                f"{self.name}: {name} must be {_in_words(wanted)} for these maps, got "
                f"{shape}."
            )

    def _check_maps(self, teacher: tuple, student: tuple) -> None:
        channels_fit = self.any_channels or shapes_fit(teacher[-1:], student[-1:])
        if len(student) != 4 or not (
            shapes_fit(teacher[:-1], student[:-1]) and channels_fit
        ):
            raise ValueError(
                f"{self.name}: teacher and student maps must be (batch, height, width, "
                f"channels) of the same shape, got {teacher} and {student}."
            )

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {
            "teacher_layer_name": self.teacher_layer_name,
            "student_layer_name": self.student_layer_name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MaskedLoss":
        """The loss that `get_config` described."""
        return cls(**config)


def require_positive(name: str, value: float) -> float:
    """Return the value as float; `ValueError` unless it is finite and above 0."""
    if not 0 < value < np.inf:
        raise ValueError(f"{name} must be above 0, got {value}.")
    return float(value)


def require_factor(name: str, value: float) -> float:
    """Return the value as float; `ValueError` unless it is finite and at least 0."""
    if not 0 <= value < np.inf:
        raise ValueError(f"{name} must be at least 0, got {value}.")
    return float(value)


def area_means(values: Any, size: tuple[int, int]) -> Any:
    """Means over the areas of the cells of a grid of another resolution.

    Args:
        values: float32 `(batch, rows, columns, channels)`.
        size: rows and columns of the grid; a cell may be a fraction of pixels.

    Returns:
        float32 `(batch, *size, channels)`.
    """
    rows, columns = values.shape[1:3]
    down = ops.convert_to_tensor(_overlaps(rows, size[0]))
    across = ops.convert_to_tensor(_overlaps(columns, size[1]))
    values = ops.einsum("hr,brck->bhck", down, values)
    return ops.einsum("wc,bhck->bhwk", across, values)


def _overlaps(length: int, cells: int) -> np.ndarray:
    """Share of each of `length` pixels in each of `cells`, `(cells, length)`."""
    edges = np.arange(cells + 1) * (length / cells)
    left = np.maximum(edges[:-1, None], np.arange(length))
    right = np.minimum(edges[1:, None], np.arange(1, length + 1))
    shares = np.maximum(0, right - left) * (cells / length)
    # Rounding leaves tiny shares beyond the edge of a cell. They are removed, since a
    # void pixel beside it must not count at all.
    return np.where(shares < 1e-9, 0, shares).astype(np.float32)


def _area(valid: Any, size: tuple[int, int]) -> Any:
    """Mean of a mask over each cell, float32 `(batch, *size)`."""
    if tuple(valid.shape[1:]) == size:
        return valid
    return area_means(ops.expand_dims(valid, -1), size)[..., 0]


def _in_words(shape: tuple) -> str:
    names = ("batch", "height", "width")
    words = [
        name if length is None else str(length)
        for name, length in zip(names, shape, strict=False)
    ]
    return f"({', '.join(words)}{',' * (len(words) == 1)})"
