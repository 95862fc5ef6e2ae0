"""Costs of a model as a function of the number of units that each group keeps.

Every cost here is a sum of terms, and every term a product of channel counts: the size
of a weight, the multiply-accumulates of a call, the values that a call reads and
writes. A budget gives each term a price; see `segshrink.pruning.budgets`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from segshrink.measuring import multiplications
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.graph import ChannelGraph, ChannelGroup, TracedCall
from segshrink.pruning.layer_call import Channels

FloatArray = npt.NDArray[np.float64]
KINDS = ("units", "parameters", "macs", "depthwise_macs", "written", "values")


@dataclass(frozen=True)
class Blocks:
    """Block sizes to which a runtime rounds numbers of channels up.

    A kernel that computes 16 output channels at once takes as long for 4 of them. In
    all of these 1 means no rounding.

    Attributes:
        outputs: output channels of a multiplication, for MACs.
        values: channels of a tensor that is read or written.
        inputs: input channels of a multiplication; up to one block they are not
            rounded, since no block is stored for an image of 3 bands.
        narrow: if above 0, block of a second kernel, for layers of no more output
            channels than that.
    """

    outputs: int = 1
    values: int = 1
    inputs: int = 1
    narrow: int = 0

    def widths(self, *, made: bool = True, depthwise: bool = False) -> tuple[int, ...]:
        """Widths that channels of a multiplication may take, see `filled_up`.

        Args:
            made: for the channels that it makes, otherwise those that it reads.
            depthwise: for a depthwise kernel.
        """
        if depthwise:
            return (self.narrow or self.outputs,)
        if not made:
            return tuple(range(1, self.inputs + 1))
        return (self.narrow, self.outputs) if self.narrow else (self.outputs,)


def filled_up(count: int, widths: Sequence[int]) -> int:
    """The channels that a kernel computes for `count` of them.

    Args:
        count: int >= 0.
        widths: ascending; the narrowest that holds `count` is taken, and as many of the
            widest as are needed where none does.
    """
    widest = widths[-1]
    return next((w for w in (0, *widths) if w >= count), -(-count // widest) * widest)


@dataclass
class _Terms:
    """Collected terms: coefficient, the counts that it multiplies, kind and layer."""

    coefficients: list[float] = field(default_factory=list)
    factors: list[tuple[int, ...]] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)

    def add(
        self, kind: str, layer: str, coefficient: float, factors: Sequence[int]
    ) -> None:
        self.coefficients.append(coefficient)
        self.factors.append(tuple(factors))
        self.kinds.append(KINDS.index(kind))
        self.layers.append(layer)


class Costs:
    """Terms of the cost of a model, for groups whose units leave in a fixed order.

    Attributes:
        sizes: number of units of each group.
        kinds: for each term its place in `KINDS`: `"units"` are those of a group,
            `"parameters"` weight entries, `"macs"` multiply-accumulates for one image,
            `"depthwise_macs"` those of depthwise kernels, which add up no channels,
            `"written"` what multiplications write for one image, `"values"` what all
            other calls that an exported file keeps read and write for one image.
        layers: for each term the path of its layer.
        fixed: True if the image has a fixed size, so that MACs and values are known.
        blocks: how counts are rounded up.
    """

    def __init__(
        self,
        graph: ChannelGraph,
        groups: Sequence[ChannelGroup],
        orders: Sequence[ChannelIds],
        blocks: Blocks = Blocks(),  # noqa: B008 (it cannot be changed)
    ) -> None:
        """Collect the terms.

        Args:
            graph: a traced model.
            groups: its groups.
            orders: for each group its units, in the order in which they are kept.
            blocks: how counts are rounded up.
        """
        self.sizes = np.array([len(group.units) for group in groups], dtype=np.int64)
        self.fixed = True
        self.blocks = blocks
        self._graph, self._groups, self._orders = graph, groups, orders
        # Count 0 is the constant 1, which pads short products.
        self._known: dict[tuple[bytes, tuple[int, ...]], int] = {}
        self._known_roots: dict[tuple[bytes, tuple[int, ...]], int] = {}
        self._refilled: dict[Blocks, Costs] = {blocks: self}
        self._constants: list[int] = [1]
        self._widths: list[tuple[int, ...]] = [(1,)]
        # For each group, the counts that depend on it, and their values at each size.
        self._axes: list[list[int]] = [[] for _ in groups]
        self._cumulated: list[list[ChannelIds]] = [[] for _ in groups]
        self._group_of, self._rank_of = self._units_by_root()
        terms = _Terms()
        for group in groups:
            terms.add("units", group.layers[0], 1.0, [self._count(group.units)])
        self._add_weights(terms)
        self._add_calls(terms)
        self._finish(terms)

    def _units_by_root(self) -> tuple[ChannelIds, ChannelIds]:
        """For each id that is a unit its group and its rank there; else -1."""
        groups, ranks = np.full((2, self._graph.space.size), -1, dtype=np.int64)
        pairs = zip(self._groups, self._orders, strict=True)
        for number, (group, order) in enumerate(pairs):
            groups[group.units[order]] = number
            ranks[group.units[order]] = np.arange(len(order))
        return groups, ranks

    def in_blocks(self, blocks: Blocks) -> "Costs":
        """The same costs with other blocks."""
        if blocks not in self._refilled:
            other = Costs(self._graph, self._groups, self._orders, blocks)
            self._refilled[blocks] = other
        return self._refilled[blocks]

    def _count(self, ids: ChannelIds, widths: tuple[int, ...] = (1,)) -> int:
        """Index of the number of kept channels among `ids`, filled up to `widths`.

        Channels of several groups that lie side by side are filled up together.
        """
        key = (ids.tobytes(), widths)
        if key not in self._known:
            self._known[key] = self._count_roots(self._graph.space.roots(ids), widths)
        return self._known[key]

    def _count_roots(self, roots: ChannelIds, widths: tuple[int, ...]) -> int:
        key = (np.sort(roots).tobytes(), widths)
        if key in self._known_roots:
            return self._known_roots[key]
        place = self._known_roots[key] = len(self._constants)
        groups = self._group_of[roots]
        self._constants.append(int((groups < 0).sum()))
        self._widths.append(widths)
        for group in np.unique(groups[groups >= 0]).tolist():
            ranks = self._rank_of[roots[groups == group]]
            added = np.bincount(ranks + 1, minlength=self.sizes[group] + 1)
            self._axes[group].append(place)
            self._cumulated[group].append(np.cumsum(added))
        return place

    def _add_weights(self, terms: _Terms) -> None:
        for path, record in self._graph.layers.items():
            for position, weight in enumerate(getattr(record.layer, "weights", ())):
                sliced = record.slices.get(position, {})
                whole = [s for axis, s in enumerate(weight.shape) if axis not in sliced]
                counts = [self._count(ids) for ids in sliced.values()]
                terms.add("parameters", path, float(np.prod(whole)), counts)

    def _add_calls(self, terms: _Terms) -> None:
        for call in self._graph.calls:
            try:
                if self._add_products(terms, call):
                    self._add_values(terms, call, "written")
                elif not _is_folded(self._graph.layers[call.path].layer):
                    self._add_values(terms, call, "values")
            except ValueError:
                # Raised for sizes that only a real image settles.
                self.fixed = False

    def _add_products(self, terms: _Terms, call: TracedCall) -> bool:
        """Add the multiplications of a call; False if it has none."""
        record = self._graph.layers[call.path]
        layer = record.layer
        shapes = [tensor.shape for tensor in call.node.input_tensors]
        products = multiplications(layer, shapes, call.node.outputs[0].shape)
        for product in products:
            coefficient, counts = call.entries * product.times, []
            depthwise = _is_depthwise(layer, product.axes)
            for position, axis in product.axes:
                ids = record.slices.get(position, {}).get(axis)
                if ids is None:
                    coefficient *= layer.weights[position].shape[axis]
                else:
                    made = any(
                        producer.kernel == position and axis in producer.axes
                        for producer in record.made
                    )
                    widths = self.blocks.widths(made=made, depthwise=depthwise)
                    counts.append(self._count(ids, widths))
            kind = "depthwise_macs" if depthwise else "macs"
            terms.add(kind, call.path, coefficient, counts)
        return bool(products)

    def _add_values(self, terms: _Terms, call: TracedCall, kind: str) -> None:
        """Add what a call writes, and of `"values"` also what it reads."""
        node = call.node
        outputs: Sequence[Channels | None] = call.outputs or [None] * len(node.outputs)
        pairs: list[tuple[Any, Channels | str | None]]
        pairs = list(zip(node.outputs, outputs, strict=True))
        widths = self.blocks.widths()
        if kind == "values":
            pairs += zip(node.input_tensors, call.inputs, strict=True)
            widths = (self.blocks.values,)
        for tensor, traced in pairs:
            shape = list(tensor.shape[1:])
            counts = []
            if isinstance(traced, Channels) and traced.axis >= 1:
                del shape[traced.axis - 1]
                counts = [self._count(traced.ids, widths)]
            if None in shape:
                raise ValueError("the image has no fixed size")
            entries = call.entries * float(np.prod(shape))
            terms.add(kind, call.path, entries, counts)

    def _finish(self, terms: _Terms) -> None:
        width = max((len(factors) for factors in terms.factors), default=0)
        self.kinds = np.array(terms.kinds, dtype=np.int64)
        self.layers = tuple(terms.layers)
        self._coefficients = np.array(terms.coefficients)
        self._factors = np.array(
            [(*factors, *[0] * (width - len(factors))) for factors in terms.factors],
            dtype=np.int64,
        ).reshape(len(terms.factors), width)
        # There are two or three factors; a product along such a short axis is slow.
        self._columns = np.ascontiguousarray(self._factors.T)
        self._group_axes = [np.array(axes, dtype=np.int64) for axes in self._axes]
        self._steps = [
            np.array(rows, dtype=np.int64).reshape(len(axes), size + 1)
            for rows, axes, size in zip(
                self._cumulated, self._axes, self.sizes, strict=True
            )
        ]
        self._fill_tables()
        self.touched = [
            np.flatnonzero(np.isin(self._factors, axes).any(axis=1))
            for axes in self._group_axes
        ]
        self._touched_factors = [
            np.ascontiguousarray(self._columns[:, rows]) for rows in self.touched
        ]

    def _fill_tables(self) -> None:
        """For each way of filling up, the filled count of every count there is."""
        ways = list(dict.fromkeys(self._widths))
        self._ways = np.array([ways.index(widths) for widths in self._widths])
        most = int(self.counts(self.sizes).max())
        self._filled = np.array(
            [[filled_up(count, way) for count in range(most + 1)] for way in ways],
            dtype=np.float64,
        )

    def _products(self, counts: ChannelIds, factors: ChannelIds) -> FloatArray:
        """Products of filled counts; `factors` is one column per product."""
        filled = self._filled[self._ways[factors], counts[factors]]
        return np.asarray(filled.prod(axis=0))

    def counts(self, kept: ChannelIds) -> ChannelIds:
        """All channel counts when each group keeps its first `kept[group]` units."""
        counts = np.array(self._constants, dtype=np.int64)
        for axes, steps, units in zip(self._group_axes, self._steps, kept, strict=True):
            counts[axes] += steps[:, units]
        return counts

    def change(self, counts: ChannelIds, group: int, before: int, after: int) -> None:
        """Update `counts` in place to another number of units of one group."""
        steps = self._steps[group]
        counts[self._group_axes[group]] += steps[:, after] - steps[:, before]

    def terms(self, counts: ChannelIds) -> FloatArray:
        """Value of each term."""
        return np.asarray(self._coefficients * self._products(counts, self._columns))

    def rise(
        self, counts: ChannelIds, group: int, moved: tuple[int, int]
    ) -> FloatArray:
        """Rise of the terms in `touched[group]` by another number of its units.

        Args:
            counts: channel counts, of `counts`.
            group: number of the group.
            moved: number of its units now, and then.
        """
        changed = counts.copy()
        self.change(changed, group, *moved)
        factors = self._touched_factors[group]
        risen = self._products(changed, factors) - self._products(counts, factors)
        return np.asarray(self._coefficients[self.touched[group]] * risen)

    def totals(self, kept: ChannelIds) -> dict[str, float]:
        """Sum of the terms by kind."""
        values = self.terms(self.counts(kept))
        sums = np.bincount(self.kinds, weights=values, minlength=len(KINDS))
        return dict(zip(KINDS, sums.tolist(), strict=True))

    def prices(self, **of_kind: float) -> FloatArray:
        """A price for each term by its kind; 0 for kinds that are not named."""
        table = np.zeros(len(KINDS))
        for kind, price in of_kind.items():
            table[KINDS.index(kind)] = price
        return table[self.kinds]

    def by_layer(self, values: FloatArray) -> dict[str, float]:
        """Sum of values, one per term, for each layer, in the model's order."""
        sums: dict[str, float] = {}
        for layer, value in zip(self.layers, values.tolist(), strict=True):
            sums[layer] = sums.get(layer, 0.0) + value
        return sums


def _is_depthwise(layer: Any, axes: Sequence[tuple[int, int]]) -> bool:
    """Whether the weight with these axes filters each channel by itself."""
    from keras import layers

    if isinstance(layer, (layers.SeparableConv1D, layers.SeparableConv2D)):
        return axes[0][0] == 0
    return isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D))


def _is_folded(layer: Any) -> bool:
    """Whether exported files hold no operation for a layer behind a multiplication."""
    from keras import layers

    if isinstance(layer, layers.Activation):
        return getattr(layer.activation, "__name__", "") in ("relu", "relu6", "linear")
    return isinstance(layer, (layers.BatchNormalization, layers.Dropout, layers.ReLU))
