"""Unstructured pruning: the smallest weights become zero, at the same cost.

This is the baseline that channel pruning is compared with. A zero is multiplied like
any other number, so neither the file nor the latency of a dense runtime shrinks.
"""

from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from segshrink.errors import ModelError, UsageError
from segshrink.models import copy_model

Scope = Literal["layer", "global"]


class MagnitudePruning(keras.callbacks.Callback):
    """Zero the smallest weights of the kernels on a polynomial schedule.

    sparsity(t) = final + (initial - final) * (1 - (t - begin) / (end - begin))^3
    for begin <= t <= end, t = `optimizer.iterations`; 0 before, final after. Masks are
    chosen at begin, every `frequency` steps from there, and at end, and hold in
    between. They act inside the compiled step, as constraints that the optimizer
    applies after its update: no forward pass sees a masked weight that is not zero.
    So it is among the smallest of the next choice as well, and stays masked during the
    training run. In either scope the largest weight of a kernel stays. Scope
    "global" compares plain magnitudes, not divided by the size of their kernel;
    kernels with large weights, such as those with few inputs, then keep more.

    A constraint that a kernel has keeps acting, on the masked values. After `fit` the
    constraints and the variables of the optimizer are as before: nothing has to be
    stripped. What other callbacks save in between is plain as well (on JAX at the end
    of a batch only if they are listed after this one). Meanwhile each kernel has a
    mask of its size in memory.

    - Resuming: masks follow from weights and `optimizer.iterations`. A further `fit`,
      with this callback or a new one, resumes as if there had been one; zeros count
      among the smallest weights. A newly compiled optimizer restarts the schedule:
      before `begin_step` there are no masks, and zeros grow again.
    - An exception out of `fit` leaves the masks in force. The next `fit` with masks
      replaces them; `on_train_end()` removes them.
    - steps_per_execution: masks hold in each inner step, and are chosen after the last.
    - Gradient accumulation, weight decay and loss scaling are supported; a step that
      was only accumulated or skipped is not a step of the schedule.
    - use_ema: the optimizer averages weights before they are masked. The averages are
      masked when they become the weights at the end of `fit`; what `SwapEMAWeights`
      shows in between is not.
    - `EarlyStopping` that restores weights restores the zeros of that epoch. Listed
      before this callback, what it restores gets the last masks.

    Reference: Zhu, Gupta, To Prune, or Not to Prune: Exploring the Efficacy of Pruning
    for Model Compression, 2017. Of the scopes: Blalock et al., What is the State of
    Neural Network Pruning?, 2020.

    Args:
        final_sparsity: share of zeros at the end, in (0, 1), exact to one weight.
        begin_step: optimizer step before which there are no masks, at least 0.
        end_step: optimizer step from which the masks stay, above `begin_step`.
        frequency: steps between two choices of masks, at least 1.
        initial_sparsity: share of zeros at `begin_step`, in [0, `final_sparsity`].
        scope: "layer" for the same share in each kernel, "global" for a share of the
            weights of all kernels together.

    Raises:
        UsageError: if an argument is out of its range.
        ModelError: from `fit`, if the model has no trainable kernel.

    Example:
        From a quarter of zeros at step 100 to three quarters at step 1000:

        ```python
        pruning = MagnitudePruning(
            0.75, initial_sparsity=0.25, begin_step=100, end_step=1000
        )
        model.fit(images, masks, epochs=20, callbacks=[pruning])
        model.save("pruned.keras")
        ```
    """

    def __init__(
        self,
        final_sparsity: float,
        *,
        begin_step: int,
        end_step: int,
        frequency: int = 100,
        initial_sparsity: float = 0.0,
        scope: Scope = "layer",
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
        _require_scope(scope)
        self.final_sparsity = final_sparsity
        self.initial_sparsity = initial_sparsity
        self.begin_step = begin_step
        self.end_step = end_step
        self.frequency = frequency
        self.scope = scope
        self._masks: list[_Mask] = []
        self._chosen_for: int | None = None

    def sparsity(self, step: int) -> float:
        """Share of zeros in the schedule at an optimizer step."""
        if step < self.begin_step:
            return 0.0
        length = self.end_step - self.begin_step
        left = 1.0 - min((step - self.begin_step) / length, 1.0)
        return self.final_sparsity + left**3 * (
            self.initial_sparsity - self.final_sparsity
        )

    def on_train_begin(self, logs: Any = None) -> None:
        """Add the masks to the train step before it is compiled."""
        model = self.model
        _remove_masks(model)
        optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
        self._masks = [_Mask(kernel, optimizer) for kernel in _some_kernels(model)]
        # What was compiled for an earlier fit knows nothing of the masks.
        model.make_train_function(force=True)
        self._untrack()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Choose masks for the weights as they are, which may have been restored."""
        self._choose(self._due())

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """On JAX, hand the masks to the step as a part of the optimizer's state."""
        if keras.backend.backend() == "jax":
            for mask in self._masks:
                mask.track()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Choose new masks if they are due."""
        due = self._due()
        self._untrack()
        if due != self._chosen_for:
            self._choose(due)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Choose the masks again, where the last choice was lost."""
        # On JAX a generator that ends unannounced begins a batch that it does not
        # have; the trainer then puts back the state after the last batch, which is
        # that before the last choice.
        due = self._due()
        self._untrack()
        self._choose(due)

    def on_train_end(self, logs: Any = None) -> None:
        """Remove the masks; the zeros stay."""
        model = self.model
        for mask in self._masks:
            # Averages that the optimizer has just made the weights are not masked yet.
            mask.apply()
        self._masks = []
        _remove_masks(model)
        model.make_train_function(force=True)

    def _due(self) -> int | None:
        """Step of the schedule whose masks hold now; None before the first."""
        step = int(ops.convert_to_numpy(self.model.optimizer.iterations))
        if step < self.begin_step:
            return None
        if step >= self.end_step:
            return self.end_step
        return step - (step - self.begin_step) % self.frequency

    def _choose(self, due: int | None) -> None:
        if due is not None:
            values = [ops.convert_to_numpy(mask.kernel) for mask in self._masks]
            chosen = largest_masks(values, self.sparsity(due), self.scope)
            for mask, kept in zip(self._masks, chosen, strict=True):
                mask.kept.assign(kept.astype("float32"))
                mask.apply()
        self._chosen_for = due

    def _untrack(self) -> None:
        for mask in self._masks:
            mask.untrack()


class _Mask:
    """Constraint that zeroes masked entries, besides the constraint it replaces.

    Optimizers apply constraints after their update, inside the compiled step.
    """

    def __init__(self, kernel: Any, optimizer: Any) -> None:
        self.kernel = kernel
        self.before = kernel.constraint
        self.kept = optimizer.add_variable_from_reference(
            kernel, name="mask", initializer="ones"
        )
        self._optimizer = optimizer
        kernel.constraint = self

    def __call__(self, weights: Any) -> Any:
        masked = self._masked(weights)
        return masked if self.before is None else self._masked(self.before(masked))

    def _masked(self, weights: Any) -> Any:
        # A product would keep NaN: zero times NaN is NaN.
        weights = ops.convert_to_tensor(weights)
        kept = ops.cast(self.kept, "bool")
        return ops.where(kept, weights, ops.zeros_like(weights))

    def apply(self) -> None:
        """Zero the entries that are masked now."""
        self.kernel.assign(self._masked(self.kernel))

    # Keras has no public way to take a variable out of an optimizer. A variable that
    # is not in it would be a constant to JAX's compiler; one that stays in it would be
    # saved.
    def track(self) -> None:
        """Add the mask to the optimizer's variables, so that JAX updates it."""
        self._optimizer._track_variable(self.kept)

    def untrack(self) -> None:
        """Take the mask out of the optimizer's variables, so that it is not saved."""
        self._optimizer._untrack_variable(self.kept)

    def remove(self) -> None:
        """Restore kernel and optimizer."""
        self.untrack()
        self.kernel.constraint = self.before


def _remove_masks(model: keras.Model) -> None:
    """Remove all masks, including those of an interrupted `fit`."""
    for weight in model.weights:
        if isinstance(weight.constraint, _Mask):
            weight.constraint.remove()


def zero_smallest_weights(
    model: keras.Model, sparsity: float, *, scope: Scope = "layer"
) -> keras.Model:
    """A copy of the model whose kernels have their smallest weights set to zero.

    Args:
        model: a Functional or Sequential model; it is not changed.
        sparsity: share of zeros, in (0, 1), exact to one weight.
        scope: "layer" for the same share in each kernel, "global" for a share of the
            weights of all kernels together. The largest weight of a kernel stays.

    Returns:
        A plain model of the same shapes and cost.

    Raises:
        UsageError: if `sparsity` or `scope` is out of range.
        ModelError: if the model cannot be rebuilt from its config, or has no kernel.
    """
    _require_sparsity("sparsity", sparsity)
    _require_scope(scope)
    copy = copy_model(model)
    found = _some_kernels(copy)
    values = [ops.convert_to_numpy(kernel) for kernel in found]
    kept = largest_masks(values, sparsity, scope)
    for kernel, weights, mask in zip(found, values, kept, strict=True):
        kernel.assign(np.where(mask, weights, np.zeros_like(weights)))
    return copy


def kernels(model: keras.Model) -> list[Any]:
    """Trainable kernels of all layers, also of nested ones; no biases, no norms."""
    weights = model.trainable_weights
    return [weight for weight in weights if weight.name.endswith("kernel")]


def _some_kernels(model: keras.Model) -> list[Any]:
    found = kernels(model)
    if not found:
        raise ModelError(
            f"Model {model.name} must have a trainable kernel to prune, got none. "
            "Build it first (give it an Input), or make a layer trainable."
        )
    return found


def largest_masks(
    kernels: Sequence[np.ndarray], sparsity: float, scope: Scope = "layer"
) -> list[np.ndarray]:
    """False for the share `sparsity` of the entries that is smallest in magnitude.

    Of equal entries the first are masked, so that the count is exact: it is `sparsity`
    times the number of entries, of each kernel or with scope "global" of all, rounded
    to the nearest. The largest entry of each kernel is not masked.

    Args:
        kernels: arrays of any shapes.
        sparsity: share in [0, 1].
        scope: "layer" or "global".

    Returns:
        For each kernel a bool array of its shape.
    """
    magnitudes = [_magnitudes(kernel) for kernel in kernels]
    if scope == "layer":
        kept = [_keep_largest(entries, sparsity) for entries in magnitudes]
    else:
        ends = np.cumsum([kernel.size for kernel in kernels])[:-1]
        kept = np.split(_keep_largest(np.concatenate(magnitudes), sparsity), ends)
    return [
        mask.reshape(kernel.shape) for mask, kernel in zip(kept, kernels, strict=True)
    ]


def _magnitudes(kernel: np.ndarray) -> np.ndarray:
    """Flat magnitudes; infinite for the largest, so that no kernel becomes empty."""
    magnitudes = np.abs(kernel).astype("float32").ravel()
    magnitudes[np.argmax(magnitudes)] = np.inf
    return magnitudes


def _keep_largest(magnitudes: np.ndarray, sparsity: float) -> np.ndarray:
    count = min(round(sparsity * magnitudes.size), np.isfinite(magnitudes).sum())
    kept = np.ones(magnitudes.size, dtype=bool)
    if count > 0:
        threshold = np.partition(magnitudes, count - 1)[count - 1]
        kept[magnitudes < threshold] = False
        left = count - np.count_nonzero(~kept)
        kept[np.flatnonzero(magnitudes == threshold)[:left]] = False
    return kept


def _require_sparsity(name: str, sparsity: float) -> None:
    if not 0 < sparsity < 1:
        raise UsageError(f"{name} must be above 0 and below 1, got {sparsity}.")


def _require_scope(scope: str) -> None:
    if scope not in ("layer", "global"):
        raise UsageError(f"scope must be one of layer, global, got {scope!r}.")
