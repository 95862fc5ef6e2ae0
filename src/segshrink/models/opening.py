"""Custom layers that only combine other layers, opened by a symbolic call."""

from collections.abc import Collection, Mapping
from typing import Any

import keras
import numpy as np

from segshrink.models.calls import nodes_in_order

# Sums in another order differ by less than this, relative to the largest value.
_SAME = 1e-4
# Sides of an input whose size is open, in the check of an opened layer.
_OPEN_SIDE = 32


class CannotOpen(Exception):
    """A layer must stay whole; `layer` is the layer."""

    def __init__(self, layer: Any) -> None:
        super().__init__(layer.name)
        self.layer = layer


class Call:
    """One call of a layer: its tensors, each once, and everything else about it.

    Attributes:
        tensors: the symbolic tensors among the arguments, without repetitions.
        signature: shapes, dtypes and the other arguments; two calls of the same
            signature can be computed by the same graph.
    """

    def __init__(self, node: Any) -> None:
        self._node = node
        self.tensors = list({id(t): t for t in node.input_tensors}.values())
        places = {id(t): f"tensor {i}" for i, t in enumerate(self.tensors)}
        self.signature = (
            tuple((tuple(t.shape), t.dtype) for t in self.tensors),
            repr(node.arguments.fill_in(places)),
        )

    def arguments(self, values: list[Any]) -> tuple[Any, Any]:
        """Arguments and keywords with `values` in place of the tensors."""
        pairs = zip(self.tensors, values, strict=True)
        return self._node.arguments.fill_in({id(t): value for t, value in pairs})

    def checked(self, layer: Any, opened: keras.Model) -> keras.Model:
        """`opened`, if it computes what `layer` does for one random input.

        Raises:
            CannotOpen: if not.
        """
        random = np.random.default_rng(0)
        values = [
            keras.ops.cast(
                random.normal(size=[1, *(s or _OPEN_SIDE for s in t.shape[1:])]),
                t.dtype,
            )
            for t in self.tensors
        ]
        arguments, keywords = self.arguments(values)
        # Without the argument, Resizing would put the layers after it into training.
        keywords = {**keywords, "training": False}
        try:
            wanted = keras.tree.flatten(layer(*arguments, **keywords))
            found = keras.tree.flatten(opened(values, training=False))
        except Exception as error:
            # What a custom layer raises is its own affair.
            raise CannotOpen(layer) from error
        for first, second in zip(wanted, found, strict=True):
            a, b = (keras.ops.convert_to_numpy(x).astype("f8") for x in (first, second))
            if a.shape != b.shape or np.abs(a - b).max() > _SAME * np.abs(a).max():
                raise CannotOpen(layer)
        return opened


def is_keras(operation: Any) -> bool:
    """Whether the class of a layer or operation comes with Keras."""
    return type(operation).__module__.split(".", 1)[0] == "keras"


def may_open(operation: Any, keep: Collection[type | str] = ()) -> bool:
    """Whether a custom layer has no state, randomness or losses of its own.

    Args:
        operation: a layer or operation.
        keep: classes of layers, or their names, that stay whole.
    """
    return (
        isinstance(operation, keras.Layer)
        and not is_keras(operation)
        and type(operation) not in keep
        and not operation._trainable_variables
        and not operation._non_trainable_variables
        and not operation._seed_generators
        and operation.activity_regularizer is None
        and not operation.losses
    )


def open_layer(layer: Any, call: Call) -> keras.Model:
    """The graph of a custom layer, of the layer's own inner layers.

    Raises:
        CannotOpen: if the layer cannot be called symbolically, computes otherwise in
            training, or uses values that its layers do not show.
    """
    try:
        graph = _traced(layer, call)
        training = {"training": True} if layer._call_has_training_arg else {}
        again = _traced(layer, call, **training)
    except Exception as error:
        # What a custom layer raises is its own affair.
        raise CannotOpen(layer) from error
    spelled = _spelled(graph)
    if spelled is None or spelled != _spelled(again) or layer.losses:
        raise CannotOpen(layer)
    return graph


def _traced(layer: Any, call: Call, **more: Any) -> keras.Model:
    inputs = []
    for tensor in call.tensors:
        is_float = keras.backend.is_float_dtype(tensor.dtype)
        dtype = layer.compute_dtype if is_float and layer.autocast else tensor.dtype
        inputs.append(keras.Input(batch_shape=tensor.shape, dtype=dtype))
    arguments, keywords = call.arguments(inputs)
    return keras.Model(inputs, layer.call(*arguments, **{**keywords, **more}))


def _spelled(graph: keras.Model) -> list[Any] | None:
    """Operations and arguments of a graph; None if it holds values of weights."""
    found: list[Any] = []
    for node in nodes_in_order(graph):
        arguments, keywords = node.arguments.fill_in(
            {id(tensor): tuple(tensor.shape) for tensor in node.input_tensors}
        )
        values = (arguments, {k: v for k, v in keywords.items() if k != "training"})
        for value in keras.tree.flatten(values):
            held = isinstance(value, keras.Variable)
            if held or (keras.ops.is_tensor(value) and np.prod(value.shape) > 1):
                return None
        found.append((_kind(node), repr(values)))
    return found


def _kind(node: Any) -> Any:
    """Class and config of the operation of a call, or else its identity."""
    try:
        config = {} if node.is_input else dict(node.operation.get_config())
    except NotImplementedError:
        return id(node.operation)
    config.pop("name", None)
    return type(node.operation).__name__, repr(config)


def sublayer_names(functional: keras.Model, inside: Any | None) -> dict[int, str]:
    """A name for each operation of a graph.

    Those of a model are its own. In a layer that was opened, a layer is named by the
    attribute that holds it, and any other operation by its class and place: names that
    Keras counts up would differ from one call to the next.
    """
    if inside is None:
        return {id(operation): operation.name for operation in functional.operations}
    attributes = _attributes(inside)
    names: dict[int, str] = {}
    taken: set[str] = set(attributes.values())
    for node in nodes_in_order(functional):
        operation = node.operation
        if id(operation) in names:
            continue
        name = attributes.get(id(operation))
        if name is None:
            base = keras.src.utils.naming.to_snake_case(type(operation).__name__)
            name, count = base, 0
            while name in taken:
                count += 1
                name = f"{base}_{count}"
            taken.add(name)
        names[id(operation)] = name
    return names


def _attributes(layer: Any) -> dict[int, str]:
    """Name of each inner layer, by the attribute that holds it."""
    found: dict[int, str] = {}
    for attribute, value in vars(layer).items():
        # Lists of all layers that Keras and TensorFlow keep beside the attributes.
        if attribute == "_layers" or attribute.startswith("_self_"):
            continue
        base = attribute.strip("_")
        if isinstance(value, keras.Layer):
            found.setdefault(id(value), base)
        elif isinstance(value, (list, tuple, Mapping)):
            for place, part in enumerate(keras.tree.flatten(value)):
                if isinstance(part, keras.Layer):
                    found.setdefault(id(part), f"{base}_{place}")
    return found
