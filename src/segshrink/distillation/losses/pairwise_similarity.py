"""Pairwise similarity: similarity of all pairs of regions of an image."""

from typing import Any

import keras
from keras import ops

from segshrink.distillation.losses.masked_loss import (
    MaskedLoss,
    area_means,
)
from segshrink.objectives.pixel_loss import one_if_zero

# A node whose squared norm is below this has similarity 0 and no gradient, since its
# direction is not defined.
_NOTHING = 1e-12


@keras.saving.register_keras_serializable("segshrink")
class PairwiseSimilarity(MaskedLoss):
    """Squared difference of the similarities of all pairs of nodes of an image.

    A node is the mean of the features in one cell of a `grid` x `grid` raster, over
    its valid area; a similarity the cosine of two nodes.
    loss = mean over pairs (i, j) of (a_t - a_s)^2, each counted by the valid shares of
    its two nodes; then the mean over images. The numbers of channels may differ.
    Reference: Liu and others, Structured Knowledge Distillation for Semantic
    Segmentation, 2019 (pair-wise part).

    Args:
        grid: int > 0, nodes per side; at most as many as the map has cells.
        teacher_layer_name: see `MaskedLoss`.
        student_layer_name: see `MaskedLoss`.

    Raises:
        ValueError: if `grid` is not positive.
    """

    name = "pairwise_similarity"
    any_channels = True

    def __init__(
        self,
        grid: int = 8,
        teacher_layer_name: str | None = None,
        student_layer_name: str | None = None,
    ) -> None:
        super().__init__(teacher_layer_name, student_layer_name)
        if isinstance(grid, bool) or not isinstance(grid, int) or grid < 1:
            raise ValueError(f"grid must be a whole number above 0, got {grid}.")
        self.grid = grid

    def value(self, teacher: Any, student: Any, weights: Any) -> Any:
        """See `MaskedLoss.value`."""
        size = min(self.grid, student.shape[1]), min(self.grid, student.shape[2])
        weights = ops.expand_dims(weights, -1)
        shares = area_means(weights, size)  # (batch, *size, 1)
        difference = _similarities(teacher, weights, shares) - _similarities(
            student, weights, shares
        )
        shares = ops.reshape(shares, (-1, size[0] * size[1], 1))
        pairs = shares * ops.transpose(shares, (0, 2, 1))
        total = ops.sum(pairs * ops.square(difference), axis=(1, 2))
        return total / one_if_zero(ops.sum(pairs, axis=(1, 2)))

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments."""
        return {"grid": self.grid, **super().get_config()}


def _similarities(maps: Any, weights: Any, shares: Any) -> Any:
    """Cosines of all pairs of nodes, `(batch, nodes, nodes)`."""
    size, channels = tuple(shares.shape[1:3]), maps.shape[-1]
    nodes = area_means(maps * weights, size) / one_if_zero(shares)
    nodes = ops.reshape(nodes, (-1, size[0] * size[1], channels))
    squares = ops.sum(ops.square(nodes), axis=-1, keepdims=True)
    length = ops.rsqrt(ops.maximum(squares, _NOTHING))
    nodes = nodes * ops.where(squares > _NOTHING, length, 0.0)
    return ops.matmul(nodes, ops.transpose(nodes, (0, 2, 1)))
