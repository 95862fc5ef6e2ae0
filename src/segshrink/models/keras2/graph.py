"""The graph of a model in a file of Keras 2, built anew."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, pairwise
from typing import Any

import keras
from keras import ops

from segshrink.errors import ModelError
from segshrink.models.keras2.configs import (
    BUILD_IT,
    activation_name,
    make_layer,
    policy,
)
from segshrink.models.keras2.operations import is_symbolic, run_operation

_GRAPHS = ("Functional", "Model", "Network", "Sequential")
_TF_FUNCTIONS = ("TFOpLambda", "SlicingOpLambda")
_TF_NODES = ("TensorFlowOpLayer",)
_CONSTANT = "_CONSTANT_VALUE"
_MODES = ("training", "mask")


@dataclass
class Built:
    """A model, and its layers by the names that they have in the file.

    Attributes:
        model: the model, which has a slash in no name.
        layers: in the order of the file; a nested model is a `Built` too.
        kind: its class in the file.
    """

    model: keras.Model
    layers: "dict[str, keras.Layer | Built]" = field(default_factory=dict)
    kind: str = "Functional"


@dataclass(frozen=True)
class _Call:
    """One call of a layer: its place among the layer's calls, and its arguments."""

    layer: str
    index: int
    node: Any
    keeps_structure: bool


def build_graph(config: Mapping[str, Any]) -> Built:
    """Build the model that a `model_config` of Keras 2 describes, with fresh weights.

    Args:
        config: the entry with `class_name` and `config`.

    Raises:
        ModelError: if it is not a Functional or Sequential model of layers of Keras,
            naming the layer and what it holds.
    """
    kind = str(config.get("class_name", "")).rpartition(">")[2]
    if kind not in _GRAPHS:
        raise ModelError(
            f"holds a model of the class {kind!r}, whose layers a file does not list. "
            f"{BUILD_IT}"
        )
    inner = config["config"]
    is_chain = kind == "Sequential"
    built = _sequential(inner) if is_chain else _Builder(inner).functional()
    built.kind = kind
    return built


class _Builder:
    """Builds one level of a graph.

    Args:
        config: the `config` of a Functional model.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._entries = {_name_of(entry): entry for entry in config["layers"]}
        self._names = _plain_names(self._entries)
        self._layers: dict[str, Any] = {}
        self._held: dict[tuple[str, int], list[Any]] = {}
        self._known: set[int] = set()  # operations that have their name
        self._taken = set(self._names.values())
        self._used: set[str] = set()

    def functional(self) -> Built:
        """The model of this level."""
        waiting = [call for entry in self._entries.values() for call in _calls(entry)]
        for name, entry in self._entries.items():
            self._make(name, entry)
        while waiting:
            blocked = [call for call in waiting if not self._run(call)]
            if len(blocked) == len(waiting):
                raise ModelError(
                    f"layer {blocked[0].layer!r} takes the output of a layer that the "
                    "file does not hold. Save the model again."
                )
            waiting = blocked
        inputs = [self._tensor(each) for each in _places(self._config["input_layers"])]
        outputs = [
            self._tensor(each) for each in _places(self._config["output_layers"])
        ]
        model = keras.Model(
            _one_or_all(inputs),
            _one_or_all(outputs),
            name=_plain_name(self._config.get("name", "model")),
        )
        return _finished(model, self._layers, self._config)

    def _make(self, name: str, entry: Mapping[str, Any]) -> None:
        kind = entry["class_name"].rpartition(">")[2]
        config = entry["config"]
        if kind == "InputLayer":
            tensor = _input(config, self._names[name])
            self._held[name, 0] = [tensor]
            self._know(tensor._keras_history.operation)
        elif kind in _GRAPHS:
            built = self._layers[name] = build_graph(entry)
            built.model.name = self._names[name]
            self._know(built.model)
        elif kind == "Lambda":
            _require_known_lambda(name, config)
        elif kind not in (*_TF_FUNCTIONS, *_TF_NODES):
            layer = self._layers[name] = make_layer(kind, config, self._names[name])
            self._know(layer)

    def _know(self, operation: Any) -> None:
        self._known.add(id(operation))
        self._used.add(operation.name)

    def _run(self, call: _Call) -> bool:
        """Compute one call, if all that it takes is there."""
        missing = any(
            reference not in self._held for reference in self._references(call.node)
        )
        if missing:
            return False
        inputs, keywords = self._arguments(call)
        entry = self._entries[call.layer]
        try:
            outputs = self._call(call.layer, entry, inputs, keywords)
        except (TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise ModelError(
                f"layer {call.layer!r} ({entry['class_name']}) cannot be called as the "
                f"file says: {reason}. {BUILD_IT}"
            ) from error
        found = [outputs] if isinstance(outputs, tuple) else keras.tree.flatten(outputs)
        self._name_operations(found, self._names[call.layer])
        self._held[call.layer, call.index] = found
        return True

    def _call(self, name: str, entry: Mapping[str, Any], inputs: Any, keys: Any) -> Any:
        kind, config = entry["class_name"].rpartition(">")[2], entry["config"]
        if kind in _TF_FUNCTIONS:
            return run_operation(config["function"], name, [inputs], keys)
        if kind in _TF_NODES:
            return _run_node(config, name, inputs)
        if kind == "Lambda":
            return _run_lambda(config, inputs)
        layer = self._layers[name]
        if isinstance(layer, Built):
            modes = {k: v for k, v in keys.items() if k == "training" and v is not None}
            return layer.model(inputs, **modes)
        named = {k: v for k, v in keys.items() if k not in _MODES or v is not None}
        outputs = layer(inputs, **named)
        if activation_name(config) == "hard_sigmoid":
            outputs = _hard_sigmoid(outputs)
        return outputs

    def _name_operations(self, outputs: list[Any], name: str) -> None:
        """Name new operations after the layer of the file.

        The names that Keras counts up could be those of layers.
        """
        waiting = [each for each in outputs if is_symbolic(each)]
        while waiting:
            operation = waiting.pop()._keras_history.operation
            if id(operation) in self._known:
                continue
            self._known.add(id(operation))
            free = name not in self._used
            operation.name = name if free else _unique(name, self._taken)
            self._used.add(operation.name)
            self._taken.add(operation.name)
            waiting += keras.tree.flatten(operation.input)

    def _references(self, node: Any) -> Iterator[tuple[str, int]]:
        if self._is_reference(node):
            if node[0] != _CONSTANT:
                yield node[0], node[1]
            for value in (node[3] if len(node) > 3 else {}).values():
                yield from self._references(value)
        elif isinstance(node, Mapping):
            for value in node.values():
                yield from self._references(value)
        elif isinstance(node, (list, tuple)):
            for value in node:
                yield from self._references(value)

    def _is_reference(self, node: Any) -> bool:
        return (
            isinstance(node, (list, tuple))
            and len(node) in (3, 4)
            and isinstance(node[0], str)
            and (node[0] in self._entries or node[0] == _CONSTANT)
            and isinstance(node[1], int)
        )

    def _arguments(self, call: _Call) -> tuple[Any, dict[str, Any]]:
        """The first argument of a call with its structure, and all others by name."""
        keywords: dict[str, Any] = {}

        def value_of(node: Any) -> Any:
            if self._is_reference(node):
                if len(node) > 3:
                    keywords.update(node[3])
                return node[2] if node[0] == _CONSTANT else self._tensor(node)
            if isinstance(node, Mapping):
                return {key: value_of(value) for key, value in node.items()}
            if isinstance(node, (list, tuple)):
                return [value_of(value) for value in node]
            return node

        inputs = value_of(call.node)
        if isinstance(inputs, list) and len(inputs) == 1 and not call.keeps_structure:
            inputs = inputs[0]
        return inputs, {key: value_of(value) for key, value in keywords.items()}

    def _tensor(self, place: Sequence[Any]) -> Any:
        try:
            return self._held[place[0], place[1]][place[2]]
        except (KeyError, IndexError):
            raise ModelError(
                f"takes output {place[2]} of layer {place[0]!r}, which the file does "
                "not hold. Save the model again."
            ) from None


def _name_of(entry: Mapping[str, Any]) -> str:
    return str(entry.get("name") or entry["config"]["name"])


def _plain_name(name: str) -> str:
    return name.replace("/", "_")


def _plain_names(names: Iterable[str]) -> dict[str, str]:
    """A name without slashes for each name, all different."""
    names = list(names)
    plain: dict[str, str] = {}
    taken = {name for name in names if "/" not in name}
    for name in names:
        plain[name] = name if "/" not in name else _unique(_plain_name(name), taken)
        taken.add(plain[name])
    return plain


def _unique(base: str, taken: Collection[str]) -> str:
    numbered = (f"{base}_{number}" for number in count(1))
    return next(name for name in chain([base], numbered) if name not in taken)


def _calls(entry: Mapping[str, Any]) -> list[_Call]:
    kind = entry["class_name"].rpartition(">")[2]
    # A nested model with inputs of its own has a first call that no list holds.
    first = int(kind in _GRAPHS and _starts_with_input(entry["config"]))
    return [
        _Call(_name_of(entry), first + index, node, kind in _TF_FUNCTIONS)
        for index, node in enumerate(entry.get("inbound_nodes", ()))
    ]


def _starts_with_input(config: Any) -> bool:
    layers = config["layers"] if isinstance(config, Mapping) else config
    return bool(layers) and layers[0]["class_name"] == "InputLayer"


def _places(structure: Any) -> list[Any]:
    """The (layer, call, output) of each tensor of a nested structure."""
    if isinstance(structure, Mapping):
        structure = list(structure.values())
    if len(structure) == 3 and isinstance(structure[0], str):
        return [structure]
    return [place for each in structure for place in _places(each)]


def _input(config: Mapping[str, Any], name: str) -> Any:
    shape = config.get("batch_input_shape") or config.get("batch_shape")
    if shape is None:
        raise ModelError(f"input {name!r} has no shape. Save the model again.")
    return keras.Input(shape[1:], dtype=policy(config), name=name)


def _sequential(config: Any) -> Built:
    entries = config["layers"] if isinstance(config, Mapping) else config
    settings = config if isinstance(config, Mapping) else {}
    first = entries[0]["config"] if entries else {}
    shape = first.get("batch_input_shape") or first.get("batch_shape")
    shape = shape or settings.get("build_input_shape")
    if shape is None:
        raise ModelError(
            f"holds a Sequential model without the shape of its images. {BUILD_IT}"
        )
    listed: list[dict[str, Any]] = []
    if entries[0]["class_name"] != "InputLayer":
        name = f"{first.get('name', 'images')}_input"
        listed = [{"class_name": "InputLayer", "config": {"name": name}}]
        listed[0]["config"]["batch_input_shape"] = shape
    listed += [dict(entry) for entry in entries]
    for before, entry in pairwise(listed):
        kind = before["class_name"].rpartition(">")[2]
        call = int(kind in _GRAPHS and _starts_with_input(before["config"]))
        entry["inbound_nodes"] = [[[_name_of(before), call, 0, {}]]]
    last = listed[-1]
    kind = last["class_name"].rpartition(">")[2]
    call = int(kind in _GRAPHS and _starts_with_input(last["config"]))
    return _Builder(
        {
            "name": settings.get("name", "sequential"),
            "trainable": settings.get("trainable", True),
            "layers": listed,
            "input_layers": [[_name_of(listed[0]), 0, 0]],
            "output_layers": [[_name_of(last), call, 0]],
        }
    ).functional()


def _finished(
    model: keras.Model, layers: dict[str, Any], config: Mapping[str, Any]
) -> Built:
    if config.get("trainable") is False:
        model.trainable = False
    return Built(model, layers)


def _one_or_all(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _run_node(config: Mapping[str, Any], name: str, inputs: Any) -> Any:
    """An operation that TensorFlow 2.0 to 2.3 stored as the node of a graph."""
    node = config["node_def"]
    node = json.loads(node) if isinstance(node, str) else node
    tensors = list(inputs) if isinstance(inputs, list) else [inputs]
    constants = {int(at): value for at, value in config.get("constants", {}).items()}
    for at in sorted(constants):
        tensors.insert(at, constants[at])
    return run_operation(node["op"], name, tensors, {})


# Lambda layers of the package classification_models, by their arguments. Their code is
# not run: these compute the same.
_LAMBDA_MODULE = "classification_models."


def _require_known_lambda(name: str, config: Mapping[str, Any]) -> None:
    module = str(config.get("module", ""))
    arguments = set(config.get("arguments") or {})
    known = ({"channels_axis"}, {"start", "stop", "axis"})
    if module.startswith(_LAMBDA_MODULE) and arguments in known:
        return
    raise ModelError(
        f"layer {name!r} holds a Lambda layer, which is Python code, and code from a "
        f"file is never run. {BUILD_IT}"
    )


def _run_lambda(config: Mapping[str, Any], inputs: Any) -> Any:
    arguments = config["arguments"]
    if "channels_axis" in arguments:  # (batch, channels) to (batch, 1, 1, channels)
        axes = (1, 1) if arguments["channels_axis"] == 3 else (2, 3)
        for axis in axes:
            inputs = ops.expand_dims(inputs, axis)
        return inputs
    part = slice(arguments["start"], arguments["stop"])
    if arguments["axis"] == 3:
        return inputs[:, :, :, part]
    return inputs[:, part]


def _hard_sigmoid(x: Any) -> Any:
    """That of Keras 2, whose slope is 0.2; Keras 3 has 1/6 under the name."""
    if not is_symbolic(x):
        raise TypeError("hard_sigmoid of several outputs")
    return ops.clip(ops.add(ops.multiply(x, 0.2), 0.5), 0.0, 1.0)
