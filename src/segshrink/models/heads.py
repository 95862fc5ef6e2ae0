"""Models of any head as models of logits, one for each of two classes or more.

All stages compute with logits: losses on labels, distillation with a temperature, int8,
the choice of the class by the largest. So whatever a model gives is turned into logits
when it is loaded: a softmax or sigmoid at its end is taken off, probabilities from
further inside become logarithms, and a single channel becomes two classes.
"""

from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import keras
import numpy as np
from keras import layers, ops

from segshrink.errors import ModelError
from segshrink.models.calls import arguments_of, as_functional, is_graph, run_calls
from segshrink.models.channels_last import takes_channels_first, with_channels_last

TWO_CLASSES = "two_classes"
"""Name of the layer that makes two classes of one channel, of constant weights."""

_PROBABILITIES = ("softmax", "sigmoid")
# Operations behind a softmax or sigmoid that keep its values between 0 and 1.
_KEEP_RANGE = (
    layers.UpSampling2D,
    layers.Resizing,
    layers.Cropping2D,
    layers.CenterCrop,
    layers.Reshape,
    layers.Permute,
    layers.AveragePooling2D,
)
_LEAST_PROBABILITY = 1e-7
_LEAST_LOGARITHM = -16.2

_NOTES: WeakKeyDictionary[keras.Model, str] = WeakKeyDictionary()


def head_note(model: keras.Model) -> str | None:
    """A sentence about the changed head of a loaded model; None if it was not."""
    return _NOTES.get(model)


def with_logits(model: keras.Model, head: str | None = None) -> keras.Model:
    """The model with one output of logits for two classes or more.

    Args:
        model: any model; only Functional and Sequential ones are changed.
        head: name or number of the output that gives the classes. None takes the only
            one, or the only one of the size of the image.

    Returns:
        The model itself, if it already gives logits; otherwise a model that shares its
        weights, or has equal ones. `head_note` says what is different.

    Raises:
        ModelError: if `head` is not an output, or it must be named.
    """
    if not is_graph(model):
        if head is not None:
            raise ModelError(
                f"{model.name}: outputs of a {type(model).__name__} cannot be chosen. "
                "Build the model from keras.Input."
            )
        return model
    notes: list[str] = []
    changed = model
    if takes_channels_first(model):
        notes.append("its channels, which come first, are put last")
        changed = with_channels_last(model)
    changed = _one_output(changed, head, notes)
    changed = _without_activation(changed, notes)
    shape = changed.outputs[0].shape
    if len(shape) == 4 and shape[-1] == 1:
        changed = _two_classes(changed, notes)
    if changed is not model:
        _NOTES[changed] = f"{model.name}: {'; '.join(notes)}."
    return changed


def _one_output(model: keras.Model, head: str | None, notes: list[str]) -> keras.Model:
    functional = as_functional(model)
    names, outputs = list(functional.output_names), list(functional.outputs)
    if len(outputs) == 1 and head is None:
        if not keras.tree.is_nested(functional.output):
            return model
        # A mapping or a list of one tensor is no tensor to those who call the model.
        notes.append(f"its only output, {names[0]}, is taken out of its container")
        inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
        return keras.Model(inputs, outputs[0], name=model.name)
    index = _index_of(head, names) if head is not None else _likeliest(model)
    if index is None:
        listed = ", ".join(
            f"{number} {name} {tuple(output.shape[1:])}"
            for number, (name, output) in enumerate(zip(names, outputs, strict=True))
        )
        fault = "which gives the classes?" if head is None else f"none is {head!r}."
        raise ModelError(
            f"{model.name}: has the outputs {listed}; {fault} Name one with --head "
            "NAME or --head NUMBER, in a recipe with teacher.head. A model that is to "
            "be a student is saved with that output alone."
        )
    if len(outputs) == 1:
        return model
    notes.append(f"its output {names[index]} is taken for the classes")
    return keras.Model(model.inputs, outputs[index], name=model.name)


def _index_of(head: str, names: list[str]) -> int | None:
    if head in names:
        return names.index(head)
    is_number = head.isdecimal() and int(head) < len(names)
    return int(head) if is_number else None


def _likeliest(model: keras.Model) -> int | None:
    """The only output of the size of the image; None if there is not just one."""
    size = model.inputs[0].shape[1:3]
    full = [
        number
        for number, output in enumerate(model.outputs)
        if len(output.shape) == 4 and output.shape[1:3] == size
    ]
    return full[0] if len(full) == 1 else None


@dataclass(frozen=True)
class _Ending:
    """The softmax or sigmoid of an output.

    Attributes:
        kind: "softmax" or "sigmoid".
        node: the call of the operation that ends in it.
        is_last: whether nothing follows it.
    """

    kind: str
    node: Any
    is_last: bool


def _ending(model: keras.Model, axis: int | None = None) -> _Ending | None:
    """The call that makes probabilities of an output; None if none is seen.

    Args:
        model: of one output.
        axis: axis of the classes in it; None is the last one.
    """
    functional = as_functional(model)
    tensor, is_last = functional.outputs[0], True
    axis = len(tensor.shape) - 1 if axis is None else axis
    inputs = {id(each) for each in functional.inputs}
    while id(tensor) not in inputs:
        node = _node_of(tensor)
        if is_graph(node.operation):
            inner = _ending(node.operation, axis)
            return inner and replace(inner, is_last=inner.is_last and is_last)
        kind = _kind(node.operation, axis, len(tensor.shape))
        if kind is not None:
            return _Ending(kind, node, is_last)
        is_linear = _is_linear(node.operation)
        if not isinstance(node.operation, _KEEP_RANGE) and not is_linear:
            return None
        moves = isinstance(node.operation, layers.Permute)
        is_last = is_last and (is_linear or moves)
        if moves:
            axis = node.operation.dims[axis - 1]
        elif isinstance(node.operation, layers.Reshape):
            if axis != len(tensor.shape) - 1:
                return None
            axis = len(node.input_tensors[0].shape) - 1
        tensor = node.input_tensors[0]
    return None


def _node_of(tensor: Any) -> Any:
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def _is_linear(operation: Any) -> bool:
    """Whether an operation passes its input on as it is, in inference."""
    if isinstance(operation, layers.Activation):
        return operation.activation is keras.activations.linear
    return isinstance(operation, layers.Dropout | layers.Identity)


def _kind(operation: Any, axis: int, rank: int) -> str | None:
    """Which probabilities over classes an operation ends in; None for others.

    Args:
        operation: a layer or an operation.
        axis: axis of the classes in its output.
        rank: number of axes of its output.
    """
    if isinstance(operation, keras.Layer) and not isinstance(operation, layers.Softmax):
        name = getattr(getattr(operation, "activation", None), "__name__", "")
    else:
        name = type(operation).__name__.lower()
    over: Any = getattr(operation, "axis", -1)
    is_other = not isinstance(over, int) or over % rank != axis
    if name == "softmax" and is_other:
        return None
    return name if name in _PROBABILITIES else None


def _without_activation(model: keras.Model, notes: list[str]) -> keras.Model:
    ending = _ending(model)
    if ending is None:
        return model
    if ending.is_last:
        try:
            taken_off = _without_call(model, ending.node)
        except ValueError:  # layers of nested models have the same names
            pass
        else:
            notes.append(f"the {ending.kind} at its end is taken off")
            return taken_off
    notes.append(f"the {ending.kind} inside it is undone by a logarithm")
    return _with_logarithm(model, ending.kind)


def _without_call(model: keras.Model, ending: Any) -> keras.Model:
    """The model without the activation of one call; nested models are opened."""

    def compute(_: str, node: Any, inputs: list[Any]) -> list[Any]:
        arguments, keywords = arguments_of(node, inputs)
        operation = node.operation
        if node is ending:
            bare = layers.Softmax | layers.Activation
            if isinstance(operation, bare) or not isinstance(operation, keras.Layer):
                return inputs[:1]
            operation = _linear(operation)
        return keras.tree.flatten(operation(*arguments, **keywords))

    outputs = run_calls(model, list(model.inputs), compute)
    return keras.Model(model.inputs, outputs[0], name=model.name)


def _linear(layer: keras.Layer) -> keras.Layer:
    """A layer with the same weights and without activation."""
    copy = layer.__class__.from_config(layer.get_config() | {"activation": "linear"})
    copy.build(layer.input.shape)
    copy.set_weights(layer.get_weights())
    return copy


def _with_logarithm(model: keras.Model, kind: str) -> keras.Model:
    """Logits of probabilities p: log p of a softmax, log p/(1 - p) of a sigmoid."""
    probabilities = model.outputs[0]
    logits = _log(probabilities)
    if kind == "sigmoid":
        logits = ops.subtract(logits, _log(ops.subtract(1.0, probabilities)))
    return keras.Model(model.inputs, logits, name=model.name)


def _log(probabilities: Any) -> Any:
    # The first limit keeps gradients finite, the second the logarithm in int8 files,
    # where the least probability is rounded to 0.
    limited = ops.log(ops.maximum(probabilities, _LEAST_PROBABILITY))
    return ops.maximum(limited, _LEAST_LOGARITHM)


def _two_classes(model: keras.Model, notes: list[str]) -> keras.Model:
    """Logits 0 and z of a single logit z: their softmax is the sigmoid of z."""
    notes.append("its single channel becomes two classes, background and foreground")
    layer = layers.Conv2D(
        2, 1, use_bias=False, trainable=False, dtype="float32", name=TWO_CLASSES
    )
    outputs = layer(model.outputs[0])
    layer.set_weights([np.array([[[[0.0, 1.0]]]], np.float32)])
    return keras.Model(model.inputs, outputs, name=model.name)
