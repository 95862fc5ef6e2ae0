"""One call of one layer as pruning rules see it, and the declarations they make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from segshrink.pruning.channels import ChannelIds, ChannelSpace

Shape = tuple[int | None, ...]
ConfigPath = tuple[str | int, ...]


class Untraceable(Exception):
    """Raised by a rule, before it declares anything, when it cannot follow channels.

    All channels that go into the layer are then kept, with the message as the reason.
    """


@dataclass(frozen=True)
class Channels:
    """The channels of one tensor: their axis (from 0, batch included) and their ids."""

    axis: int
    ids: ChannelIds


@dataclass(frozen=True)
class Producer:
    """A weight whose slices along `axes` produce one channel each.

    `ids` has as many entries as the axes have positions, in row-major order. `kernel`
    and `bias` are positions in `layer.weights`; `layer` is the path of the layer.
    `name` is the path as well, followed by a word where a layer produces several kinds.
    """

    name: str
    layer: str
    kernel: int
    axes: tuple[int, ...]
    bias: int | None
    ids: ChannelIds


@dataclass(frozen=True)
class Scaling:
    """A normalization that multiplies each channel by |gamma| / sqrt(var + epsilon).

    `gamma` and `variance` are positions in `layer.weights`; `gamma` None means 1.
    """

    layer: str
    gamma: int | None
    variance: int
    epsilon: float
    ids: ChannelIds


@dataclass
class LayerChannels:
    """Channels along the weights and config of one layer, over all of its calls.

    Attributes:
        layer: the Keras layer, or the operation of a raw `keras.ops` call.
        path: its name, behind the names of the models that it is nested in, `a/b/name`.
        slices: position in `layer.weights` -> axis -> channel ids along that axis.
        neutral: position in `layer.weights` -> the value that makes a removed channel
            inert, if other than 0.
        sizes: place in the layer's entry in the model's config -> ids whose number the
            config must state.
        outputs: channels of each output that could be traced, of all calls.
        made: producers among the layer's own weights; those of the output come first.
        scalings: what the layer multiplies channels by, for each call.
        statistics: channels over which the layer computes a mean or a norm.
        untraceable: reason why the layer keeps all its channels; None if it is traced.
    """

    layer: Any
    path: str
    slices: dict[int, dict[int, ChannelIds]] = field(default_factory=dict)
    neutral: dict[int, float] = field(default_factory=dict)
    sizes: dict[ConfigPath, ChannelIds] = field(default_factory=dict)
    outputs: list[Channels] = field(default_factory=list)
    made: list[Producer] = field(default_factory=list)
    scalings: list[Scaling] = field(default_factory=list)
    statistics: ChannelIds | None = None
    untraceable: str | None = None

    def all_ids(self) -> list[ChannelIds]:
        """Every vector that the layer's weights or config depend on."""
        along_weights = [ids for axes in self.slices.values() for ids in axes.values()]
        made = [producer.ids for producer in self.made]
        return along_weights + list(self.sizes.values()) + made


class LayerCall:
    """One call of one layer, or of one operation.

    A rule is a function from a `LayerCall` to the `Channels` of the layer's output, or
    to a sequence of them, one per output. It requests the channels of the inputs, and
    declares along which axes the weights hold which channels, and which numbers in the
    layer's config follow the number of channels.
    A layer that is called more than once goes through its rule once for each call;
    declarations of several calls about the same weight are united.

    Attributes:
        layer: the Keras layer, or the operation.
        input_shapes: one shape for each input, batch first.
        output_shapes: one shape for each output, batch first.
        arguments: positional arguments of the call, tensors as symbolic ones.
        keywords: keyword arguments of the call.
        tensors: the symbolic tensors among the arguments, one per input.
    """

    def __init__(
        self,
        record: LayerChannels,
        space: ChannelSpace,
        inputs: Sequence[Channels | str],
        node: Any,
    ) -> None:
        """Start a call; for an input that is not traced, its entry is the reason."""
        self.layer = record.layer
        self.input_shapes = tuple(tuple(t.shape) for t in node.input_tensors)
        self.output_shapes = tuple(tuple(t.shape) for t in node.outputs)
        self.arguments: tuple[Any, ...] = node.arguments.args
        self.keywords: Mapping[str, Any] = node.arguments.kwargs
        self._record = record
        self._space = space
        self._inputs = inputs
        self.tensors: Sequence[Any] = node.input_tensors

    @property
    def output_shape(self) -> Shape:
        """Shape of the first output, batch first."""
        return self.output_shapes[0]

    def traced_axis(self, which: int = 0) -> int | None:
        """The axis along which input `which` is traced; None if it is not."""
        traced = self._inputs[which]
        return traced.axis if isinstance(traced, Channels) else None

    def free_axis(self, which: int = 0) -> int | None:
        """As `traced_axis`, but None as well if all channels there must stay."""
        traced = self._inputs[which]
        if isinstance(traced, Channels) and not self._space.frozen(traced.ids).all():
            return traced.axis
        return None

    def axis(self) -> int:
        """The axis along which the first traced input is traced; else the last one."""
        for traced in self._inputs:
            if isinstance(traced, Channels):
                return traced.axis
        return len(self.input_shapes[0]) - 1

    def channels(self, axis: int = -1, which: int = 0) -> ChannelIds:
        """Ids of the channels of input `which` along `axis`.

        An input that is traced along another axis, or not at all, is kept whole.

        Raises:
            Untraceable: if the number of channels is not known.
        """
        shape = self.input_shapes[which]
        if not shape:
            raise Untraceable("it reads a single number")
        axis %= len(shape)
        traced = self._inputs[which]
        if isinstance(traced, Channels) and traced.axis == axis:
            return traced.ids
        size = shape[axis]
        if axis == 0 or size is None:
            raise Untraceable(f"axis {axis} of its input has no fixed size")
        if isinstance(traced, Channels):
            reason = f"{describe(self.layer)}: it reads axis {axis} across the channels"
            self._space.freeze(traced.ids, reason)
        else:
            reason = traced
        ids = self.new(size)
        self._space.freeze(ids, reason)
        return ids

    def constants(self) -> list[Any]:
        """Arrays among the arguments, also within lists, that are not traced."""
        values = keras.tree.flatten((self.arguments, dict(self.keywords)))
        return [
            value
            for value in values
            if getattr(value, "shape", ())
            and not any(value is tensor for tensor in self.tensors)
        ]

    def which(self, tensor: Any) -> int:
        """The place of a symbolic tensor among the inputs."""
        return next(i for i, other in enumerate(self.tensors) if other is tensor)

    def new(self, count: int) -> ChannelIds:
        """Create `count` channels that no weight of this layer produces."""
        return self._space.new(count)

    def produce(
        self, kernel: Any, axes: tuple[int, ...], bias: Any = None, kind: str = ""
    ) -> ChannelIds:
        """Create the channels that the slices of `kernel` along `axes` produce.

        Also declares `bias`, a vector over the same channels. `kernel` itself is left
        to `slice`, because not every kernel has one axis for its outputs. A layer that
        produces several kinds of channels names those of its output first, and gives
        the others a `kind`, such as "heads".
        """
        axes = tuple(axis % len(kernel.shape) for axis in axes)
        position = self._position(kernel)
        made = {producer.kernel: producer for producer in self._record.made}
        if position not in made:
            count = int(np.prod([kernel.shape[axis] for axis in axes]))
            made[position] = Producer(
                name=" ".join(filter(None, (self._record.path, kind))),
                layer=self._record.path,
                kernel=position,
                axes=axes,
                bias=None if bias is None else self._position(bias),
                ids=self.new(count),
            )
            self._record.made.append(made[position])
        ids = made[position].ids
        if bias is not None:
            self.slice(bias, 0, ids)
        return ids

    def slice(
        self, weight: Any, axis: int, ids: ChannelIds, neutral: float = 0.0
    ) -> None:
        """Declare that `weight` holds the channels `ids` along `axis`.

        Raises:
            ValueError: if the axis has another size, or the weight is not the layer's.
        """
        position = self._position(weight)
        axis %= len(weight.shape)
        if weight.shape[axis] != len(ids):
            raise ValueError(
                f"Layer {self.layer.name!r}: axis {axis} of weight {weight.name!r} has "
                f"{weight.shape[axis]} entries, but its rule gave {len(ids)} channels."
            )
        self._unite_with_earlier(
            self._record.slices.setdefault(position, {}), axis, ids
        )
        if neutral:
            self._record.neutral[position] = neutral

    def resize(self, path: ConfigPath, ids: ChannelIds) -> None:
        """Declare that the number at `path` in the layer's config counts `ids`."""
        self._unite_with_earlier(self._record.sizes, ("config", *path), ids)

    def resize_argument(self, path: ConfigPath, ids: ChannelIds) -> None:
        """Declare that a number in the positional arguments of the call counts `ids`.

        `path` starts with the place among the arguments and continues as in the model's
        config. This is for operations, each of which is called once.
        """
        place = ("inbound_nodes", 0, "args", *path)
        self._unite_with_earlier(self._record.sizes, place, ids)

    def average(self, ids: ChannelIds) -> None:
        """Declare that the layer computes a mean or a norm over the channels `ids`.

        In the model of the old shapes, the removed ones are then left out.
        """
        if self._record.statistics is None:
            self._record.statistics = ids
        else:
            self.unite(self._record.statistics, ids)

    def scale(self, ids: ChannelIds, gamma: Any, variance: Any, epsilon: float) -> None:
        """Declare a normalization, which multiplies by |gamma| / sqrt(var + epsilon).

        Only importance uses this; see `segshrink.pruning.importance`.
        """
        scaling = Scaling(
            layer=self._record.path,
            gamma=None if gamma is None else self._position(gamma),
            variance=self._position(variance),
            epsilon=epsilon,
            ids=ids,
        )
        self._record.scalings.append(scaling)

    def unite(self, first: ChannelIds, second: ChannelIds) -> None:
        """Make the channels of two vectors the same, position by position."""
        self._space.unite(first, second)

    def tie(self, ids: ChannelIds, parts: int) -> ChannelIds:
        """Cut `ids` into equal parts, make them the same and return the first part."""
        rows = ids.reshape(parts, -1)
        self.unite(np.broadcast_to(rows[0], rows.shape).ravel(), rows.ravel())
        return rows[0]

    def freeze(self, ids: ChannelIds, reason: str) -> None:
        """Keep these channels; messages put the layer's name before the reason."""
        self._space.freeze(ids, f"{describe(self.layer)}: {reason}")

    def _position(self, weight: Any) -> int:
        for position, candidate in enumerate(self.layer.weights):
            if candidate is weight:
                return position
        raise ValueError(
            f"The rule of layer {self.layer.name!r} named a weight that is not in "
            "layer.weights. Name the variable itself, not a value computed from it."
        )

    def _unite_with_earlier(self, known: dict, key: Any, ids: ChannelIds) -> None:
        if key in known:
            self._space.unite(known[key], ids)
        else:
            known[key] = ids


def describe(layer: Any) -> str:
    """Name of a layer or operation in messages: `conv_1 (Conv2D)`."""
    return f"{layer.name} ({type(layer).__name__})"
