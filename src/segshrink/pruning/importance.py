"""Weights of a group of channels, as criteria see them, and the scores they give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from segshrink.errors import UsageError
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.data_statistics import DataStatistics
from segshrink.pruning.graph import ChannelGraph, ChannelGroup
from segshrink.pruning.layer_call import LayerChannels, Producer

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ProducerWeights:
    """The weights of one layer that produce channels of one group.

    Attributes:
        layer: name of the layer.
        units: int array `(channels,)`, the unit of the group each channel belongs to.
        kernel: float64 array `(channels, weights of a channel)`, before normalization.
        bias: float64 array `(channels,)`; None if the layer has none.
        scale: float64 array `(channels,)`, the factor by which the normalization that
            directly follows multiplies a channel, |gamma| / sqrt(variance + epsilon).
            None if none follows; the root of the mean square if several do.
    """

    layer: str
    units: npt.NDArray[np.int64]
    kernel: FloatArray
    bias: FloatArray | None
    scale: FloatArray | None


@dataclass(frozen=True, eq=False)
class CoupledWeights:
    """The entries of one weight that leave with the units of a group.

    Attributes:
        layer: path of the layer.
        units: int array `(slices,)`, the unit that each slice leaves with.
        rows: float64 array `(slices, entries of a slice)`.
        is_scale: True for the gamma of a normalization.
    """

    layer: str
    units: npt.NDArray[np.int64]
    rows: FloatArray
    is_scale: bool


@dataclass(frozen=True, eq=False)
class GroupWeights:
    """All weights that produce the channels of one group.

    Attributes:
        size: number of units, at least 1.
        make: returns `producers`; each criterion uses these or `coupled`.
        collect: returns `coupled`.
        roots: ids of the units in the channel graph.
        statistics: statistics of the units over data; None if there is no data.
    """

    size: int
    make: Callable[[], tuple[ProducerWeights, ...]] = tuple
    collect: Callable[[], tuple[CoupledWeights, ...]] = tuple
    roots: npt.NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    statistics: DataStatistics | None = None

    @cached_property
    def producers(self) -> tuple[ProducerWeights, ...]:
        """One entry for each layer; a unit may have several channels of one."""
        return self.make()

    @property
    def coupled(self) -> tuple[CoupledWeights, ...]:
        """All weights that leave: filters, normalizations, and slices of consumers."""
        return self.collect()

    @property
    def layers(self) -> str:
        """Names of the layers that produce the channels, for messages."""
        return ", ".join(producer.layer for producer in self.producers)

    def gradients(self) -> FloatArray:
        """Derivative of the loss of each image by a factor on each unit.

        With m = 1 a factor on everything that consumes the unit, the derivative by m is
        to first order the change of the loss when the unit is removed (m = 0).

        Returns:
            float64 array `(images, units)`.

        Raises:
            UsageError: if `plan_pruning` was given no data, or data without labels.
        """
        return self._required_statistics().gradients(self.roots)

    def activations(self) -> FloatArray:
        """Mean absolute value of each unit at its consumers.

        The mean runs over images, positions that are not void, and calls that consume
        the unit; several channels of a unit in one tensor are added up.

        Returns:
            float64 array `(units,)`.

        Raises:
            UsageError: if `plan_pruning` was given no data, or nothing outside of a
                layer consumes the units, as with the heads of an attention.
        """
        found = self._required_statistics().activations(self.roots)
        if np.isnan(found).any():
            raise UsageError(
                f"Activations of {self.layers} cannot be seen from outside. Name these "
                "layers in skip, or take another criterion."
            )
        return found

    def _required_statistics(self) -> DataStatistics:
        if self.statistics is None:
            raise UsageError(
                "This criterion looks at data. Give plan_pruning data=(images, labels)."
            )
        return self.statistics

    def filters(self) -> FloatArray:
        """Filters of each unit as inference sees them, joined to one vector.

        A unit with fewer channels of a layer than another is filled up with zeros.

        Returns:
            float64 array `(units, entries)`.
        """
        parts = []
        for producer in self.producers:
            rows = producer.kernel
            if producer.scale is not None:
                rows = rows * producer.scale[:, None]
            order = np.argsort(producer.units, kind="stable")
            units = producer.units[order]
            place = np.arange(len(units)) - np.searchsorted(units, units)
            width = int(place.max()) + 1 if len(place) else 0
            laid_out = np.zeros((self.size, width, rows.shape[1]))
            laid_out[units, place] = rows[order]
            parts.append(laid_out.reshape(self.size, -1))
        return np.concatenate(parts, axis=1)

    def total(self, per_channel: Callable[[ProducerWeights], FloatArray]) -> FloatArray:
        """Sum a number per channel over all layers and channels of each unit.

        Args:
            per_channel: from the weights of a layer to an array `(channels,)`.

        Returns:
            float64 array `(units,)`.
        """
        sums = np.zeros(self.size)
        for producer in self.producers:
            np.add.at(sums, producer.units, per_channel(producer))
        return sums


Criterion = Callable[[GroupWeights], FloatArray]


def weights_of_groups(
    graph: ChannelGraph,
    groups: Sequence[ChannelGroup],
    statistics: DataStatistics | None = None,
) -> list[GroupWeights]:
    """Collect the weights that produce the channels of each group."""
    owners = np.full(graph.space.size, -1, dtype=np.int64)
    for number, group in enumerate(groups):
        owners[group.units] = number
    producers: list[list[Producer]] = [[] for _ in groups]
    for producer in graph.producers:
        for number in _groups_of(graph, owners, producer.ids):
            producers[number].append(producer)
    held: list[list[_Slice]] = [[] for _ in groups]
    known: dict[bytes, list[int]] = {}
    for path, record in graph.layers.items():
        for position, axes in _learned(record).items():
            for axis, ids in axes.items():
                # The weights of a normalization hold the same channels.
                key = ids.tobytes()
                if key not in known:
                    known[key] = _groups_of(graph, owners, ids)
                for number in known[key]:
                    held[number].append(_Slice(path, position, axis, ids))
    scales = _squared_scales(graph)
    return [
        GroupWeights(
            size=len(group.units),
            make=partial(_produced, graph, group, made, scales),
            collect=partial(_coupled, graph, group, slices),
            roots=group.units,
            statistics=statistics,
        )
        for group, made, slices in zip(groups, producers, held, strict=True)
    ]


def group_weights(
    graph: ChannelGraph, group: ChannelGroup, statistics: DataStatistics | None = None
) -> GroupWeights:
    """Collect the weights that produce the channels of one group."""
    return weights_of_groups(graph, [group], statistics)[0]


@dataclass(frozen=True, eq=False)
class _Slice:
    """An axis of a weight, and the channels along it."""

    layer: str
    position: int
    axis: int
    ids: ChannelIds


def _groups_of(graph: ChannelGraph, owners: ChannelIds, ids: ChannelIds) -> list[int]:
    """Numbers of the groups that channels belong to."""
    found: list[int] = np.unique(owners[graph.space.roots(ids)]).tolist()
    return [number for number in found if number >= 0]


def _coupled(
    graph: ChannelGraph, group: ChannelGroup, slices: Sequence[_Slice]
) -> tuple[CoupledWeights, ...]:
    found = []
    for held in slices:
        layer = graph.layers[held.layer].layer
        weight = layer.weights[held.position]
        units = group.units_of(graph.space.roots(held.ids))
        inside = units >= 0
        # Rows are laid out before they are made twice as wide, which moves fewer bytes.
        rows = np.moveaxis(np.asarray(weight), held.axis, 0).reshape(len(units), -1)
        if not inside.all():
            rows = rows[inside]
        rows = rows.astype(np.float64)
        is_scale = weight is getattr(layer, "gamma", None)
        found.append(CoupledWeights(held.layer, units[inside], rows, is_scale))
    return tuple(found)


def _learned(record: LayerChannels) -> dict[int, dict[int, ChannelIds]]:
    """Slices of the weights that can be learned, frozen layers included.

    Moving statistics follow the data and are not among them. `trainable` does not tell
    them apart: it is False for every weight of a frozen layer.
    """
    if not record.slices:
        return {}
    learned = {
        id(weight)
        for inner in record.layer._flatten_layers()
        for weight in inner._trainable_variables
    }
    weights = record.layer.weights
    return {
        position: axes
        for position, axes in record.slices.items()
        if id(weights[position]) in learned
    }


def _produced(
    graph: ChannelGraph,
    group: ChannelGroup,
    made: Sequence[Producer],
    scales: FloatArray,
) -> tuple[ProducerWeights, ...]:
    return tuple(_producer_weights(graph, group, each, scales) for each in made)


def _producer_weights(
    graph: ChannelGraph, group: ChannelGroup, producer: Producer, scales: FloatArray
) -> ProducerWeights:
    units = group.units_of(graph.space.roots(producer.ids))
    inside = units >= 0
    kernel = _values(graph, producer.layer, producer.kernel)
    places = range(len(producer.axes))
    rows = np.moveaxis(kernel, producer.axes, places).reshape(len(producer.ids), -1)
    bias = scale = None
    if producer.bias is not None:
        bias = _values(graph, producer.layer, producer.bias)[inside]
    squares = scales[producer.ids]
    if not np.isnan(squares).all():
        scale = np.sqrt(np.where(np.isnan(squares), 1.0, squares))[inside]
    return ProducerWeights(producer.name, units[inside], rows[inside], bias, scale)


def _squared_scales(graph: ChannelGraph) -> FloatArray:
    """For each id the mean square of the scales that directly normalize it, or NaN.

    Ids are taken as they are, not by their roots: a channel that is merely added to
    this one has its own normalization.
    """
    sums, counts = np.zeros((2, graph.space.size))
    for record in graph.layers.values():
        for scaling in record.scalings:
            variance = _values(graph, scaling.layer, scaling.variance)
            squares = 1.0 / (variance + scaling.epsilon)
            if scaling.gamma is not None:
                squares *= _values(graph, scaling.layer, scaling.gamma) ** 2
            np.add.at(sums, scaling.ids, squares)
            np.add.at(counts, scaling.ids, 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _values(graph: ChannelGraph, layer: str, position: int) -> FloatArray:
    weight = graph.layers[layer].layer.weights[position]
    return np.asarray(weight).astype(np.float64)


def importance(criterion: Criterion, weights: GroupWeights) -> FloatArray:
    """Score the units of a group; a higher score is kept longer.

    Raises:
        ValueError: if the criterion does not give one finite number per unit.
    """
    scores = np.asarray(criterion(weights), dtype=np.float64)
    if scores.shape != (weights.size,) or not np.isfinite(scores).all():
        raise ValueError(
            f"Criterion {getattr(criterion, '__name__', criterion)} must give one "
            f"finite number for each of the {weights.size} units of the group of "
            f"{weights.layers}; got an array of shape {scores.shape}."
        )
    return scores
