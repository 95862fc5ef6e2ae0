"""Feature maps of a model: their shapes, roles and connections."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import keras

from segshrink.errors import ModelError
from segshrink.models.calls import as_functional, nodes_in_order

LOGITS = "logits"
BOTTLENECK = "bottleneck"

Node: TypeAlias = Any
"""A call of an operation, as Keras keeps it in its graph."""


def map_shapes(model: keras.Model) -> dict[str, tuple[int, int, int]]:
    """(height, width, channels) of each feature map, by name."""
    return FeatureMaps(model).shapes


def feature_model(model: keras.Model, names: Sequence[str]) -> keras.Model:
    """A model of the same layers that returns [logits, features of each name]."""
    graph, nodes = _graph(model), FeatureMaps(model).nodes
    features = [nodes[name].outputs[0] for name in names]
    inputs = graph.inputs[0] if len(graph.inputs) == 1 else graph.inputs
    return keras.Model(inputs, [graph.outputs[0], *features])


class FeatureMaps:
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
