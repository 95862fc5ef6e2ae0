"""Unstructured pruning: the smallest weights become zero, and nothing gets smaller.

This is the baseline that channel pruning is compared with. A zero is multiplied like
any other number, so neither the file nor the latency of a dense runtime shrinks.
"""

from typing import Any

import keras
import numpy as np

from segshrink.errors import UsageError
from segshrink.pruning.surgery import copy_model


class MagnitudePruning(keras.callbacks.Callback):
    """Zero the smallest weights of every kernel on a polynomial schedule.

    sparsity(t) = final + (initial - final) * (1 - (t - begin) / (end - begin))^3
    for begin <= t <= end, in steps of the optimizer; 0 before, final after. The masks
    are chosen anew every `frequency` steps, for each kernel by itself, and hold in
    between. The optimizer may give a masked weight a new value, which is zeroed again
    after every batch. Masks live in this callback, so the saved model is plain Keras.

    Reference: Zhu, Gupta, To Prune, or Not to Prune: Exploring the Efficacy of Pruning
    for Model Compression, 2017.

    Args:
        final_sparsity: share of zeros in each kernel at the end, in (0, 1).
        begin_step: optimizer step of the first mask, at least 0.
        end_step: optimizer step from which the masks stay, above `begin_step`.
        frequency: steps between two choices of masks, at least 1.
        initial_sparsity: share of zeros at `begin_step`, in [0, `final_sparsity`].

    Raises:
        UsageError: if an argument is out of its range.
    """

    def __init__(
        self,
        final_sparsity: float,
        *,
        begin_step: int,
        end_step: int,
        frequency: int = 100,
        initial_sparsity: float = 0.0,
    ) -> None:
        super().__init__()
        _require_sparsity("final_sparsity", final_sparsity)
        if not 0 <= initial_sparsity <= final_sparsity:
            raise UsageError(
                "initial_sparsity must be 0 to final_sparsity "
                f"({final_sparsity}), got {initial_sparsity}."
            )
        if not 0 <= begin_step < end_step:
            raise UsageError(
                "begin_step must be at least 0 and below end_step, "
                f"got {begin_step} and {end_step}."
            )
        if frequency < 1:
            raise UsageError(f"frequency must be at least 1, got {frequency}.")
        self.final_sparsity = final_sparsity
        self.initial_sparsity = initial_sparsity
        self.begin_step = begin_step
        self.end_step = end_step
        self.frequency = frequency
        self._masks: list[np.ndarray] = []
        self._chosen_at: int | None = None

    def sparsity(self, step: int) -> float:
        """Share of zeros that the schedule wants at an optimizer step."""
        if step < self.begin_step:
            return 0.0
        length = self.end_step - self.begin_step
        left = 1.0 - min((step - self.begin_step) / length, 1.0)
        return self.final_sparsity + left**3 * (
            self.initial_sparsity - self.final_sparsity
        )

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Choose new masks if they are due, and zero what is masked."""
        step = int(self.model.optimizer.iterations)
        if step < self.begin_step:
            return
        if self._is_due(step):
            self._choose(step)
        for kernel, mask in zip(kernels(self.model), self._masks, strict=True):
            kernel.assign(kernel * mask)

    def _is_due(self, step: int) -> bool:
        """Whether masks are chosen now: at first, every so often, once at the end."""
        if self._chosen_at is None:
            return True
        if self._chosen_at >= self.end_step:
            return False
        return step >= min(self._chosen_at + self.frequency, self.end_step)

    def _choose(self, step: int) -> None:
        wanted = self.sparsity(step)
        self._masks = []
        for kernel in kernels(self.model):
            values = keras.ops.convert_to_numpy(kernel)
            self._masks.append(largest_mask(values, wanted).astype(values.dtype))
        self._chosen_at = step


def zero_smallest_weights(model: keras.Model, sparsity: float) -> keras.Model:
    """A copy of the model whose kernels have their smallest weights set to zero.

    Args:
        model: a Functional or Sequential model; it is not changed.
        sparsity: share of zeros in each kernel, in (0, 1).

    Returns:
        A plain model of the same shapes and cost.

    Raises:
        UsageError: if `sparsity` is out of range.
        ModelError: if the model cannot be rebuilt from its config.
    """
    _require_sparsity("sparsity", sparsity)
    copy = copy_model(model)
    for kernel in kernels(copy):
        values = keras.ops.convert_to_numpy(kernel)
        kernel.assign(values * largest_mask(values, sparsity).astype(values.dtype))
    return copy


def kernels(model: keras.Model) -> list[Any]:
    """Trainable kernels of all layers, also of nested ones; no biases, no norms."""
    weights = model.trainable_weights
    return [weight for weight in weights if weight.name.endswith("kernel")]


def largest_mask(values: np.ndarray, sparsity: float) -> np.ndarray:
    """False for the share `sparsity` of the entries that is smallest in magnitude.

    Of equal entries the first are masked, so that the count is exact: it is
    `sparsity` times the number of entries, rounded to the nearest.
    """
    mask = np.ones(values.size, dtype=bool)
    smallest = np.argsort(np.abs(values), axis=None, kind="stable")
    mask[smallest[: round(sparsity * values.size)]] = False
    return mask.reshape(values.shape)


def _require_sparsity(name: str, sparsity: float) -> None:
    if not 0 < sparsity < 1:
        raise UsageError(f"{name} must be above 0 and below 1, got {sparsity}.")
