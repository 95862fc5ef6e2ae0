"""Statistics of the units of a model over images, for criteria that look at data."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from segshrink.data import IGNORE_INDEX
from segshrink.errors import UsageError
from segshrink.models import copy_model
from segshrink.models.calls import arguments_in_inference, run_calls
from segshrink.objectives import CrossEntropy
from segshrink.progress import Progress
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.graph import ChannelGraph
from segshrink.pruning.layer_call import Channels

Batch = tuple[Any, Any]
"""Images and labels, one entry per image; the labels may be None."""

_FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _ConsumerAxis:
    """An axis of a weight along which a layer consumes channels.

    `places` holds, for each entry of the axis, the place of its unit in the gates.
    """

    weight: int
    axis: int
    places: ChannelIds


class DataStatistics:
    """Activations and gradients of all units, computed at the first request.

    A unit is observed at its consumers, since their weights lose their inputs when it
    leaves: behind normalization, activation and whatever else stands in between, and
    once for all layers that produce it.

    Args:
        model: the model that the graph was traced from; it is not changed.
        graph: its channels.
        data: images and labels, or batches of them.
        loss: as `compile` takes it; None is the cross-entropy of logits.
        progress: receives every image.

    Raises:
        UsageError: if there are no images, or not as many labels.
    """

    def __init__(
        self,
        model: keras.Model,
        graph: ChannelGraph,
        data: Batch | Iterable[Batch],
        *,
        loss: Any,
        progress: Progress,
    ) -> None:
        self._model, self._graph = model, graph
        self._samples = list(_samples(data))
        self._loss, self._progress = loss, progress
        if not self._samples:
            raise UsageError("data must hold at least one image, got none.")
        self.used = self.used_loss = False
        roots = [
            graph.space.roots(ids)
            for record in graph.layers.values()
            for ids in record.all_ids()
        ]
        self._roots = np.unique(np.concatenate([*roots, np.empty(0, np.int64)]))

    @property
    def images(self) -> int:
        """Number of images."""
        return len(self._samples)

    def gradients(self, roots: ChannelIds) -> _FloatArray:
        """See `GroupWeights.gradients`.

        Raises:
            UsageError: if the data has no labels.
        """
        self.used = self.used_loss = True
        if any(labels is None for _, labels in self._samples):
            raise UsageError("This criterion looks at labels: data has none.")
        return self._all_gradients[:, np.searchsorted(self._roots, roots)]

    def activations(self, roots: ChannelIds) -> _FloatArray:
        """See `GroupWeights.activations`; NaN for units that no call consumes."""
        self.used = True
        return self._all_activations[np.searchsorted(self._roots, roots)]

    @cached_property
    def _all_gradients(self) -> _FloatArray:
        consumed: dict[str, list[_ConsumerAxis]] = {}
        for path, weight, axis, ids in _consumers(self._graph):
            places = np.searchsorted(self._roots, self._graph.space.roots(ids))
            consumed.setdefault(path, []).append(_ConsumerAxis(weight, axis, places))
        gated = _Gated(copy_model(self._model), consumed, len(self._roots))
        loss = self._loss or _cross_entropy(self._samples[0][1])
        # One step of plain descent by 1 from 0 leaves minus the gradient in the gates.
        gated.compile(
            optimizer=keras.optimizers.SGD(1.0),
            loss=loss,
            jit_compile=keras.backend.backend() == "jax",
        )
        found = np.zeros((len(self._samples), len(self._roots)))
        self._progress.start("loss by channel", len(self._samples))
        for place, (image, labels) in enumerate(self._samples):
            gated.gates.assign(np.zeros(len(self._roots), np.float32))
            gated.train_on_batch(image, labels)
            found[place] = -ops.convert_to_numpy(gated.gates)
            self._progress.advance()
        self._progress.finish()
        return found

    @cached_property
    def _all_activations(self) -> _FloatArray:
        sums, counts = np.zeros((2, len(self._roots)))
        self._progress.start("activations", len(self._samples))
        for image, labels in self._samples:
            for ids, mean in _input_means(self._model, self._graph, image, labels):
                places = np.searchsorted(self._roots, self._graph.space.roots(ids))
                np.add.at(sums, places, mean)
                counts[np.unique(places)] += 1
            self._progress.advance()
        self._progress.finish()
        return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


class _Gated(keras.Model):
    """A model in which 1 + gate multiplies every weight that consumes a unit.

    Only the gates can be trained. All layers are called as in inference.
    """

    def __init__(
        self, model: keras.Model, consumed: dict[str, list[_ConsumerAxis]], count: int
    ) -> None:
        super().__init__(name="gated")
        model.trainable = False
        self._gated = model
        self._consumed = consumed
        self.gates = self.add_weight(
            shape=(count,), initializer="zeros", dtype="float32", name="gates"
        )

    def call(self, inputs: Any) -> Any:
        """Output of the model in inference, since no call gets `training`."""
        outputs = run_calls(self._gated, keras.tree.flatten(inputs), self._compute)
        return outputs[0] if len(outputs) == 1 else outputs

    def _compute(self, path: str, node: Any, inputs: list[Any]) -> list[Any]:
        arguments, keywords = arguments_in_inference(node, inputs)
        layer = node.operation
        if path not in self._consumed:
            return list(keras.tree.flatten(layer(*arguments, **keywords)))
        values = {id(weight): weight for weight in layer.non_trainable_variables}
        for consumer in self._consumed[path]:
            weight = layer.weights[consumer.weight]
            shape = [1] * len(weight.shape)
            shape[consumer.axis] = -1
            gate = ops.reshape(ops.take(self.gates, consumer.places), shape)
            gated = values[id(weight)] * (1 + ops.cast(gate, weight.dtype))
            values[id(weight)] = gated
        outputs, *_ = layer.stateless_call(
            [], list(values.values()), *arguments, **keywords
        )
        return list(keras.tree.flatten(outputs))


def _consumers(graph: ChannelGraph) -> Iterator[tuple[str, int, int, ChannelIds]]:
    """(path, weight, axis, ids) of every axis along which a kernel sums channels.

    A depthwise kernel sums none: it passes each channel on and has no other axis.
    """
    for path, record in graph.layers.items():
        made = {producer.kernel: producer.axes for producer in record.made}
        own = [producer.ids for producer in record.made]
        for weight, axes in record.slices.items():
            for axis, ids in axes.items():
                if weight in made:
                    consumes = axis not in made[weight]
                else:
                    # One such weight is the query kernel of an attention, whose heads
                    # the value kernel produces.
                    produces = any(np.array_equal(ids, other) for other in own)
                    consumes = len(axes) > 1 and not produces
                if consumes:
                    yield path, weight, axis, ids


def _input_means(
    model: keras.Model, graph: ChannelGraph, image: Any, labels: Any
) -> list[tuple[ChannelIds, _FloatArray]]:
    """(ids, mean absolute values) of the inputs of every call that sums channels."""
    consumers = {path for path, *_ in _consumers(graph)}
    calls = iter(graph.calls)
    found: list[tuple[ChannelIds, _FloatArray]] = []

    def compute(path: str, node: Any, inputs: list[Any]) -> list[Any]:
        traced = next(calls).inputs
        for channels, tensor in zip(traced, inputs, strict=True):
            if path in consumers and isinstance(channels, Channels):
                mean = _mean(tensor, channels.axis, labels)
                if mean is not None:
                    found.append((channels.ids, mean))
        arguments, keywords = arguments_in_inference(node, inputs)
        return list(keras.tree.flatten(node.operation(*arguments, **keywords)))

    tensors = [ops.convert_to_tensor(value) for value in keras.tree.flatten(image)]
    run_calls(model, tensors, compute)
    return found


def _mean(tensor: Any, axis: int, labels: Any) -> _FloatArray | None:
    """Mean absolute value of each channel of one image; None if all is void."""
    values = np.abs(ops.convert_to_numpy(tensor).astype(np.float64))
    values = np.moveaxis(values, axis, -1)[0]
    share = _valid_share(labels, values.shape[:-1])
    if not share.any():
        return None
    weighted = values * share[..., None]
    return np.asarray(weighted.sum(axis=tuple(range(values.ndim - 1))) / share.sum())


def _valid_share(labels: Any, shape: tuple[int, ...]) -> _FloatArray:
    """Share of each position of a feature map that is not void, in 0..1.

    Where positions do not correspond to those of the labels, as with tokens, all count
    if any pixel of the image does.
    """
    if labels is None:
        return np.ones(shape)
    valid = np.asarray(labels)[0] != IGNORE_INDEX
    if valid.ndim != 2 or len(shape) != 2:
        return np.full(shape, float(valid.any()))
    resized = ops.image.resize(
        valid.astype(np.float32)[None, ..., None],
        shape,
        interpolation="bilinear",
        antialias=True,
        data_format="channels_last",
    )
    return np.asarray(ops.convert_to_numpy(resized)[0, ..., 0], dtype=np.float64)


def _cross_entropy(labels: Any) -> keras.losses.Loss:
    if np.ndim(labels) >= 3:
        return CrossEntropy()
    return keras.losses.SparseCategoricalCrossentropy(
        from_logits=True, ignore_class=IGNORE_INDEX
    )


def _samples(data: Batch | Iterable[Batch]) -> Iterator[Batch]:
    """Images one by one, each still with the axis of the batch."""
    if not isinstance(data, Iterable):
        raise UsageError(
            f"data must be (images, labels) or batches of these, got {data!r}."
        )
    batches: Iterable[Batch] = [data] if _is_batch(data) else data  # type: ignore[list-item]
    for batch in batches:
        if not isinstance(batch, Sequence) or len(batch) < 2:
            raise UsageError(
                "data must be (images, labels) or batches of these, got "
                f"{type(batch).__name__}."
            )
        images, labels = batch[0], batch[1]
        count = len(keras.tree.flatten(images)[0])
        if labels is not None and len(labels) != count:
            raise UsageError(
                f"data must hold as many labels as images, got {len(labels)} labels "
                f"for {count} images."
            )
        for i in range(count):
            cut = keras.tree.map_structure(
                lambda x, i=i: np.asarray(x[i : i + 1]), images
            )
            yield cut, None if labels is None else np.asarray(labels[i : i + 1])


def _is_batch(data: Any) -> bool:
    return isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], tuple)
