"""Pairs of corresponding feature maps of a student and its teacher."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import keras
import numpy as np

from segshrink.errors import ModelError
from segshrink.models.calls import as_functional, nodes_in_order
from segshrink.text_table import as_text, columns

LOGITS = "logits"
BOTTLENECK = "bottleneck"

Node: TypeAlias = Any
"""A call of an operation, as Keras keeps it in its graph."""


@dataclass(frozen=True)
class LayerPair:
    """Two feature maps to compare.

    Attributes:
        role: "encoder 1/4", "bottleneck", "decoder 1/2" (the resolution, as a share of
            the image's), "logits", or "chosen" for a pair that was named.
        teacher: name of the teacher's layer.
        student: name of the student's layer.
        teacher_shape: (height, width, channels) of the teacher's map.
        student_shape: the same of the student's.
        kept: channels of the teacher that are compared with those of the student, in
            order; None is all of them.
    """

    role: str
    teacher: str
    student: str
    teacher_shape: tuple[int, int, int]
    student_shape: tuple[int, int, int]
    kept: tuple[int, ...] | None = None

    @property
    def direct(self) -> bool:
        """Whether the maps are compared as they are, without a projection."""
        channels = self.teacher_shape[2] if self.kept is None else len(self.kept)
        return (*self.teacher_shape[:2], channels) == self.student_shape

    @property
    def comparison(self) -> str:
        """Operations that bring the two maps to one shape, in words."""
        steps = []
        if self.kept is not None and len(self.kept) < self.teacher_shape[2]:
            steps.append("kept channels")
        elif self.teacher_shape[2] != self.student_shape[2]:
            steps.append("1x1 projection")
        if self.teacher_shape[:2] != self.student_shape[:2]:
            steps.append("resize")
        return ", ".join(steps) or "direct"


class LayerMatches(tuple[LayerPair, ...]):
    """Pairs of feature maps, from the image to the logits; `print` shows a table."""

    def select(self, *roles: str) -> "LayerMatches":
        """The pairs of some roles: "bottleneck", "decoder", "decoder 1/2".

        Raises:
            ValueError: if a role has no pair.
        """
        for role in roles:
            if not any(_has_role(pair, role) for pair in self):
                known = ", ".join(pair.role for pair in self)
                raise ValueError(f"no pair has the role {role!r}, there are: {known}.")
        return LayerMatches(
            pair for pair in self if any(_has_role(pair, role) for role in roles)
        )

    def __str__(self) -> str:
        rows = [
            (
                pair.role,
                pair.teacher,
                _size(pair.teacher_shape),
                pair.student,
                _size(pair.student_shape),
                pair.comparison,
            )
            for pair in self
        ]
        heads = ("role", "teacher", "", "student", "", "compared")
        return as_text(columns(heads, rows))


def _has_role(pair: LayerPair, role: str) -> bool:
    # "encoder" is a role of "encoder 1/2", but "encoder 1/1" is not of "encoder 1/16".
    return pair.role == role or pair.role.startswith(f"{role} ")


def match_layers(
    teacher: keras.Model,
    student: keras.Model,
    *,
    pairs: Mapping[str, str | None] | None = None,
    kept: Mapping[str, Sequence[int]] | None = None,
) -> LayerMatches:
    """Pair the feature maps of two models by role, resolution and order.

    The coarsest map that the output depends on is the bottleneck. The maps that it
    depends on are the encoder, those that depend on it the decoder, and the last map of
    each resolution in either is a stage. Stages of the same role and resolution are
    paired, the bottlenecks and the logits always. If the student has the teacher's
    layers, as after pruning, its stages are paired with the layers of their names.

    Args:
        teacher: Functional or Sequential model with a fixed image size.
        student: the same.
        pairs: other partners, {layer of the student: layer of the teacher}; None for
            the teacher leaves a stage out.
        kept: of a pruned student, the output channels that were kept of each layer that
            produces channels: `{layer.name: layer.kept for layer in plan.layers}`. They
            are traced to the maps that are compared.

    Returns:
        The pairs; the last is that of the logits.

    Raises:
        ModelError: if a model is not Functional or Sequential, has no fixed image
            size, or lacks a layer of `pairs`.
        ValueError: if `kept` does not fit the models.
    """
    ours, theirs = _Maps(student), _Maps(teacher)
    chosen = dict(pairs or {})
    if ours.output in chosen and chosen[ours.output] is None:
        raise ValueError(f"{ours.output}: the logits are always paired. Drop it.")
    if kept is not None and not set(kept) & set(theirs.nodes):
        raise ValueError(
            f"kept: none of {', '.join(kept)} is a layer of {teacher.name}. Give the "
            "plan that was made for this teacher."
        )
    ours.require(chosen)
    theirs.require([name for name in chosen.values() if name is not None])
    alike = ours.sizes == theirs.sizes
    partners = theirs.stages()
    matches = [
        (role, name, name if alike else partners[role])
        for role, name in ours.stages().items()
        if name not in chosen and (alike or role in partners)
    ]
    matches += [
        (LOGITS if name == ours.output else "chosen", name, other)
        for name, other in chosen.items()
        if other is not None
    ]
    order = list(ours.shapes)
    matches.sort(key=lambda pair: (pair[0] == LOGITS, order.index(pair[1])))
    return LayerMatches(
        LayerPair(
            role,
            other,
            name,
            theirs.shapes[other],
            ours.shapes[name],
            None
            if kept is None
            else _kept_channels(theirs, other, ours.shapes[name], kept),
        )
        for role, name, other in matches
    )


def has_layers_of(student: keras.Model, teacher: keras.Model) -> bool:
    """Whether a student has the layers of the teacher, as after pruning."""
    try:
        return _Maps(student).sizes == _Maps(teacher).sizes
    except ModelError:
        return False


def map_shapes(model: keras.Model) -> dict[str, tuple[int, int, int]]:
    """(height, width, channels) of each feature map, by name."""
    return _Maps(model).shapes


def feature_model(model: keras.Model, names: Sequence[str]) -> keras.Model:
    """A model of the same layers that returns [logits, features of each name]."""
    graph, nodes = _graph(model), _Maps(model).nodes
    features = [nodes[name].outputs[0] for name in names]
    inputs = graph.inputs[0] if len(graph.inputs) == 1 else graph.inputs
    return keras.Model(inputs, [graph.outputs[0], *features])


class _Maps:
    """Feature maps of a model: operations that are called once and return one map."""

    def __init__(self, model: keras.Model) -> None:
        graph = _graph(model)
        self.model = model
        self.nodes: dict[str, Node] = {}
        # Operations that each call depends on, whether they return a map or not.
        self._above: dict[int, set[str]] = {}
        self._weighs: dict[str, bool] = {}
        shared: set[str] = set()
        seen: set[str] = set()
        for node in nodes_in_order(graph):
            name, outputs = node.operation.name, node.outputs
            shared |= seen & {name}
            seen.add(name)
            self._weighs[name] = bool(getattr(node.operation, "weights", None))
            self._above[id(node)] = set().union(
                *(
                    self._above.get(id(call), set()) | {call.operation.name}
                    for call in _calls_before(node)
                )
            )
            if len(outputs) == 1 and _is_map(outputs[0].shape):
                self.nodes[name] = node
        for name in shared:
            self.nodes.pop(name, None)
        self.shapes: dict[str, tuple[int, int, int]] = {
            name: tuple(node.outputs[0].shape[1:]) for name, node in self.nodes.items()
        }
        self.output = graph.outputs[0]._keras_history.operation.name
        if self.output not in self.nodes:
            raise ModelError(
                f"{model.name}: the layer of its output is called more than once, so "
                "its map is ambiguous. Distil it by its logits alone."
            )

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """Height and width of each map."""
        return {name: (rows, cols) for name, (rows, cols, _) in self.shapes.items()}

    def require(self, names: Iterable[str]) -> None:
        """Raise `ModelError` unless all are names of feature maps."""
        for name in names:
            if name not in self.nodes:
                raise ModelError(
                    f"{self.model.name}: has no feature map {name!r}. Its maps are: "
                    f"{', '.join(self.nodes)}."
                )

    def inputs_of(self, name: str) -> list[str]:
        """Names of the operations whose maps are inputs of an operation."""
        names = [call.operation.name for call in _calls_before(self.nodes[name])]
        return [name for name in names if name in self.nodes]

    def above(self, name: str) -> set[str]:
        """Names of all operations that a map depends on."""
        return self._above[id(self.nodes[name])]

    def stages(self) -> dict[str, str]:
        """Names of the maps by their roles; see `match_layers`."""
        head = self._head()
        # Squeeze-and-excitation and global pooling are not stages, nor are the image
        # before the first weights and the logits before they are resized.
        extended = [
            name
            for name in self.nodes
            if name in self.above(self.output)
            and name not in head
            and self.shapes[name][:2] != (1, 1)
            and any(self._weighs[x] for x in (name, *self.above(name)))
        ]
        if not extended:
            return {LOGITS: self.output}
        rows = {name: self.shapes[name][0] for name in extended}
        coarsest = min(rows.values())
        bottleneck = [name for name in extended if rows[name] == coarsest][-1]
        stages = {}
        for name in extended:
            place = _share(rows[name], self.model.inputs[0].shape[1])
            if rows[name] == coarsest:
                continue
            # A later map of the same role replaces an earlier one.
            if name in self.above(bottleneck):
                stages[f"encoder {place}"] = name
            elif bottleneck in self.above(name):
                stages[f"decoder {place}"] = name
        return stages | {BOTTLENECK: bottleneck, LOGITS: self.output}

    def _head(self) -> set[str]:
        """The output, and the maps that it is a resized or activated copy of."""
        name, head = self.output, {self.output}
        while not self._weighs[name] and len(self.inputs_of(name)) == 1:
            (name,) = self.inputs_of(name)
            head.add(name)
        return head


def _calls_before(node: Any) -> list[Any]:
    """Calls whose outputs are inputs of a call."""
    histories = [tensor._keras_history for tensor in node.input_tensors]
    return [h.operation._inbound_nodes[h.node_index] for h in histories]


def _graph(model: keras.Model) -> keras.Model:
    try:
        graph = as_functional(model)
    except ModelError as error:
        raise ModelError(
            f"{model.name}: only Functional and Sequential models show their feature "
            f"maps, got {type(model).__name__}. Distil it by its logits alone."
        ) from error
    if len(model.outputs) != 1 or not _is_map(model.outputs[0].shape):
        raise ModelError(
            f"{model.name}: layers are matched by their size, so the model needs "
            "a fixed image size and one map as output, got outputs of "
            f"{[tuple(output.shape) for output in model.outputs]}."
        )
    return graph


def _is_map(shape: Sequence[int | None]) -> bool:
    return len(shape) == 4 and None not in shape[1:]


def _share(rows: int, image_rows: int) -> str:
    ratio = image_rows / rows
    return f"1/{ratio:g}" if ratio >= 1 else f"{1 / ratio:g}"


def _size(shape: tuple[int, int, int]) -> str:
    return "x".join(map(str, shape))


# Layers that keep the order of channels, or merge equal ones.
_CHANNELS_STAY = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
    keras.layers.Identity,
    keras.layers.GaussianNoise,
    keras.layers.GaussianDropout,
    keras.layers.Resizing,
    keras.layers.Subtract,
    keras.layers.Minimum,
    keras.layers.Activation,
    keras.layers.ReLU,
    keras.layers.LeakyReLU,
    keras.layers.PReLU,
    keras.layers.ELU,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.UpSampling2D,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
    keras.layers.Rescaling,
    keras.layers.DepthwiseConv2D,
    keras.layers.Add,
    keras.layers.Multiply,
    keras.layers.Average,
    keras.layers.Maximum,
)


def _kept_channels(
    maps: _Maps,
    name: str,
    student_shape: tuple[int, int, int],
    kept: Mapping[str, Sequence[int]],
) -> tuple[int, ...] | None:
    """Channels of a teacher's map that the student has; None if they are unknown.

    Raises:
        ValueError: if they are not as many as the student's.
    """
    channels = _trace_channels(maps, name, kept)
    if channels is not None and len(channels) != student_shape[2]:
        raise ValueError(
            f"{name}: {len(channels)} channels were kept, but the student has "
            f"{student_shape[2]}. Give the plan that this student was pruned with."
        )
    return channels


def _trace_channels(
    maps: _Maps, name: str, kept: Mapping[str, Sequence[int]]
) -> tuple[int, ...] | None:
    """Channels of a map that pruning kept, from those of the layers before it."""
    node, channels = maps.nodes[name], maps.shapes[name][2]
    operation = node.operation
    if name in kept:
        if max(kept[name], default=-1) >= channels:
            raise ValueError(
                f"{name}: has {channels} channels, but channel {max(kept[name])} was "
                "kept. Give the plan that was made for this teacher."
            )
        return tuple(kept[name])
    if isinstance(operation, keras.layers.InputLayer):
        return tuple(range(channels))
    sources = maps.inputs_of(name)
    incoming = [_trace_channels(maps, source, kept) for source in sources]
    if None in incoming or len(incoming) != len(node.input_tensors):
        return None
    if isinstance(operation, keras.layers.Concatenate) and operation.axis in (-1, 3):
        begins = np.cumsum([0, *(maps.shapes[source][2] for source in sources)])
        return tuple(
            int(begin) + channel
            for begin, some in zip(begins, incoming, strict=False)
            for channel in some or ()
        )
    same = all(maps.shapes[source][2] == channels for source in sources)
    if isinstance(operation, _CHANNELS_STAY) and same and len(set(incoming)) == 1:
        return incoming[0]
    return None
