"""Reconstruction: weights of consumers, solved again after their inputs were cut."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from segshrink.errors import ModelError, UsageError
from segshrink.models import copy_model
from segshrink.models.calls import calls, operations_by_path
from segshrink.progress import Progress, SilentProgress
from segshrink.pruning.forward import (
    Batches,
    called_once,
    in_batches,
    run,
)
from segshrink.pruning.plan import PruningPlan
from segshrink.pruning.recovery.least_squares import RidgeSums
from segshrink.pruning.recovery.windows import (
    Indices,
    channels_last,
    input_axis,
    is_linear,
    kernel_from_matrix,
    kernel_matrix,
    output_axis,
    rows_at,
    window_taps,
)
from segshrink.pruning.surgery import Kept

_BATCH_SIZE = 8
_ALL = np.ones(1, dtype=bool)
_LINEAR = (None, keras.activations.linear)


@dataclass(eq=False)
class _Consumer:
    """A layer to solve.

    Attributes:
        place: number among the consumers, which seeds its random positions.
        kept: True for each output channel of the original that stays.
        normalization: the BatchNormalization that directly follows; None if there is
            none, or the layer has a bias.
        wanted: outputs of the original before its activation at the kept channels, an
            array `(positions, channels)` per batch.
    """

    place: int
    kept: Kept
    normalization: Any
    wanted: list[np.ndarray] = field(default_factory=list)


@dataclass(frozen=True)
class PositionSampling:
    """Random output positions at which the layers of both models are compared.

    Attributes:
        count: number of output positions of each layer that are taken from each image,
            at least 1; all where it has no more. Each layer should see several times
            as many in all as one of its outputs reads numbers.
        seed: int >= 0.
    """

    count: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UsageError(
                f"PositionSampling: count must be at least 1, got {self.count}."
            )


def reconstruct(
    smaller: keras.Model,
    original: keras.Model,
    plan: PruningPlan,
    images: np.ndarray,
    *,
    ridge: float = 1e-3,
    positions: PositionSampling = PositionSampling(),  # noqa: B008 (it is frozen)
    progress: Progress | None = None,
) -> keras.Model:
    """Solve the weights of the consumers of pruned channels again, without training.

    Every convolution, transposed convolution and dense layer whose inputs were cut is
    solved by least squares, in the model's order. From its inputs in the smaller model,
    with the layers before it already solved, it approximates its outputs in the
    original, before the activation, at the channels that are left:

    minimize |X W + b - Y|^2 + lambda |W - W_cut|^2

    with X and Y at random positions of the images and lambda = `ridge` times the mean
    diagonal of X'X, so that weights that the images hardly determine stay as they were
    cut. Where the layer has no bias, b goes into the moving mean of a
    BatchNormalization that directly follows; without one, b is 0.
    References: He, Zhang, Sun, Channel Pruning for Accelerating Very Deep Neural
    Networks, 2017; Luo, Wu, Lin, ThiNet: A Filter Level Pruning Method for Deep Neural
    Network Compression, 2017.

    Layers that are called several times stay as they are, as do depthwise and separable
    convolutions, attention, custom layers, and transposed convolutions with dilation or
    output padding.

    The original runs batch by batch. All images pass through the smaller model
    together: held in main memory are its tensors that are still to be consumed, for a
    U-Net of 16 filters and tiles of 256 pixels about 25 MB an image, and for the layer
    being solved two float64 matrices of as many rows and columns as one output reads
    numbers (3 x 3 x channels), 170 MB for 512 channels.

    Args:
        smaller: `plan.apply(original)`; it is not changed.
        original: the model that the plan was made for; it is not changed.
        plan: the channels that left.
        images: array `(images, *input shape)`, as the models take them; a few dozen.
        ridge: float > 0, dimensionless.
        positions: number of output positions of each layer, and their seed.
        progress: receives each layer that is solved.

    Returns:
        A plain model like `smaller`, with other weights.

    Raises:
        UsageError: if there are no images or they do not fit, or a number is out of
            range.
        ModelError: if the plan was made for another model, or `smaller` did not come
            from it.
    """
    if not ridge > 0:
        raise UsageError(f"ridge must be above 0, got {ridge}.")
    original = plan.as_planned(original)
    _require_pair(smaller, original, plan)
    recovered = copy_model(smaller)
    consumers = _consumers(recovered, plan)
    batches = in_batches(original, images, _BATCH_SIZE)
    draw = _Positions(positions, [len(batch) for batch in batches])
    _collect(original, batches, consumers, draw)
    _solve(recovered, batches, consumers, draw, ridge, progress or SilentProgress())
    return recovered


@dataclass(frozen=True)
class _Positions:
    """The random positions of each layer in each batch, the same in both models."""

    sampling: PositionSampling
    batch_sizes: list[int]

    def of(self, consumer: _Consumer, batch: int, taps: list[Indices]) -> Indices:
        """Positions `(images of the batch, at most count)` in the layer's output."""
        total = int(np.prod([len(along) for along in taps]))
        images = self.batch_sizes[batch]
        if total <= self.sampling.count:
            return np.tile(np.arange(total), (images, 1))
        generator = np.random.default_rng((self.sampling.seed, consumer.place, batch))
        return generator.integers(0, total, (images, self.sampling.count))


def _require_pair(
    smaller: keras.Model, original: keras.Model, plan: PruningPlan
) -> None:
    for cut in plan.cuts:
        for position, weight in cut.weights.items():
            _require_shape(original, cut.layer, position, weight.shape)
            after = weight.cut(np.empty(weight.shape, dtype=bool)).shape
            _require_shape(smaller, cut.layer, position, after)


def _require_shape(
    model: keras.Model, path: str, position: int, shape: tuple[int, ...]
) -> None:
    layer = operations_by_path(model).get(path)
    weights = getattr(layer, "weights", ())
    found = tuple(weights[position].shape) if position < len(weights) else None
    if found != shape:
        raise ModelError(
            f"{model.name}: weight {position} of layer {path!r} must have shape "
            f"{shape} by the plan, got {found}. Give the model that the plan was made "
            "for, and what plan.apply returned for it."
        )


def _consumers(recovered: keras.Model, plan: PruningPlan) -> dict[str, _Consumer]:
    """Path -> layer to solve."""
    alone, normalizations = called_once(recovered), _following(recovered)
    consumers: dict[str, _Consumer] = {}
    cuts = {cut.layer: cut.weights for cut in plan.cuts}
    for path, layer in alone.items():
        if path not in cuts or not is_linear(layer):
            continue
        kernel = next(i for i, w in enumerate(layer.weights) if w is layer.kernel)
        weight = cuts[path][kernel]
        # Groups that leave whole do not change the inputs of those that stay.
        if weight.kept.get(input_axis(layer), _ALL).all():
            continue
        following = None if layer.use_bias else normalizations.get(path)
        kept = weight.kept[output_axis(layer)]
        consumers[path] = _Consumer(len(consumers), kept, following)
    return consumers


def _following(model: keras.Model) -> Mapping[str, Any]:
    """Path of a layer -> the BatchNormalization that is its only consumer.

    Layers with an activation of their own are left out: a constant that is added after
    the activation does not replace one before it.
    """
    alone = {id(layer) for layer in called_once(model).values()}
    consumers_of: dict[int, list[Any]] = {}
    found = {}
    for _, node, _ in calls(model):
        for tensor in node.input_tensors:
            consumers_of.setdefault(id(tensor), []).append(node.operation)
    for path, node, functional in calls(model):
        output = node.outputs[0]
        consumers = consumers_of.get(id(output), [])
        if len(consumers) != 1 or any(output is given for given in functional.outputs):
            continue
        if getattr(node.operation, "activation", None) not in _LINEAR:
            continue
        layer, rank = consumers[0], len(output.shape)
        if type(layer) is keras.layers.BatchNormalization and id(layer) in alone:
            first = getattr(node.operation, "data_format", "") == "channels_first"
            if layer.axis % rank == (1 if first else rank - 1):
                found[path] = layer
    return found


def _collect(
    original: keras.Model,
    batches: Batches,
    consumers: Mapping[str, _Consumer],
    draw: _Positions,
) -> None:
    """Store the outputs of each consumer in the original, one batch after the other."""

    def visit(path: str, layer: Any, inputs: Batches) -> None:
        if path in consumers:
            consumer = consumers[path]
            rows = _rows(layer, inputs[0], consumer, len(consumer.wanted), draw)
            consumer.wanted.append(_linear_outputs(layer, rows)[:, consumer.kept])

    for batch in batches:
        run(original, [batch], visit)


def _rows(
    layer: Any, inputs: np.ndarray, consumer: _Consumer, batch: int, draw: _Positions
) -> np.ndarray:
    inputs = channels_last(layer, inputs)
    taps = window_taps(layer, inputs.shape[1:-1])
    return rows_at(inputs, taps, draw.of(consumer, batch, taps))


def _linear_outputs(layer: Any, rows: np.ndarray) -> np.ndarray:
    """Outputs `(rows, channels)` before the activation."""
    kernel = kernel_matrix(layer, keras.ops.convert_to_numpy(layer.kernel))
    groups = getattr(layer, "groups", 1)
    parts = [
        np.einsum("rwc,wco->ro", inside, weights, optimize=True)
        for inside, weights in zip(
            np.split(rows, groups, axis=-1),
            np.split(kernel, groups, axis=-1),
            strict=True,
        )
    ]
    outputs = np.concatenate(parts, axis=-1)
    return (
        outputs + keras.ops.convert_to_numpy(layer.bias) if layer.use_bias else outputs
    )


def _solve(
    recovered: keras.Model,
    batches: Batches,
    consumers: Mapping[str, _Consumer],
    draw: _Positions,
    ridge: float,
    progress: Progress,
) -> None:
    """Solve each consumer of the smaller model just before its output is computed."""

    def visit(path: str, layer: Any, inputs: Batches) -> None:
        if path in consumers:
            _solve_layer(layer, inputs, consumers[path], draw, ridge)
            progress.advance()

    progress.start(f"reconstructing {recovered.name}", len(consumers))
    run(recovered, batches, visit)
    progress.finish()


def _solve_layer(
    layer: Any, inputs: Batches, consumer: _Consumer, draw: _Positions, ridge: float
) -> None:
    kernel = kernel_matrix(layer, keras.ops.convert_to_numpy(layer.kernel))
    shifted = layer.use_bias or consumer.normalization is not None
    starts = np.split(kernel.astype(np.float64), getattr(layer, "groups", 1), axis=-1)
    features = kernel.shape[0] * kernel.shape[1]
    sums = [RidgeSums(features, start.shape[-1], shifted=shifted) for start in starts]
    for batch, (values, wanted) in enumerate(zip(inputs, consumer.wanted, strict=True)):
        rows = _rows(layer, values, consumer, batch, draw)
        for part, inside, targets in zip(
            sums,
            np.split(rows, len(sums), axis=-1),
            np.split(wanted, len(sums), axis=-1),
            strict=True,
        ):
            part.add(inside.reshape(len(inside), features), targets)
    solved = [
        part.solve(start.reshape(features, -1), ridge)
        for part, start in zip(sums, starts, strict=True)
    ]
    matrix = np.concatenate([weights for weights, _ in solved], axis=-1)
    layer.kernel.assign(kernel_from_matrix(layer, matrix.reshape(kernel.shape)))
    _shift(
        layer, consumer.normalization, np.concatenate([shift for _, shift in solved])
    )


def _shift(layer: Any, normalization: Any, shift: np.ndarray) -> None:
    """Add a constant to the layer's output, as its bias or out of the next mean."""
    if layer.use_bias:
        layer.bias.assign(shift)
    elif normalization is not None:
        mean = keras.ops.convert_to_numpy(normalization.moving_mean)
        normalization.moving_mean.assign(mean - shift)
