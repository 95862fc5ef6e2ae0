"""Models that carry a config or layers of their own, as plain Functional models."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import keras
from keras.src.models.functional import Functional
from keras.src.saving.serialization_lib import SafeModeScope

from segshrink.errors import ModelError
from segshrink.models.calls import (
    as_functional,
    graphs_by_path,
    is_graph,
    nodes_in_order,
    operations_by_path,
)
from segshrink.models.kerashub import equivalent
from segshrink.models.opening import (
    Call,
    CannotOpen,
    is_keras,
    may_open,
    open_layer,
    sublayer_names,
)


def plain_model(
    model: keras.Model, *, keep: Collection[type | str] = ()
) -> keras.Model:
    """The same computation as a Functional model of layers that need no other package.

    A model that is Functional by construction but has a config of its own, such as the
    tasks and backbones of KerasHub, becomes a plain one, also where it is nested. A
    custom layer that only combines other layers and `keras.ops` becomes a nested model
    of its name. Layers with weights of their own, or that compute otherwise in training
    than their layers do, stay as they are; see `custom_layers`.

    Args:
        model: a built Functional or Sequential model; it is not changed.
        keep: classes of layers, or their names, that stay whole.

    Returns:
        `model` itself if it is plain already; else a model with copies of its weights,
        or, if only the outermost model is not plain, with the same layers.

    Raises:
        ModelError: if the model is not built, not Functional or Sequential, computes
            something else than its graph, or has a layer that cannot be copied.
    """
    graphs = [model, *graphs_by_path(model).values()]
    for graph in graphs:
        _require_graph_computes(graph)
    to_open = [
        operation
        for operation in operations_by_path(model).values()
        if may_open(operation, keep) or equivalent(operation) is not None
    ]
    if not to_open and all(_is_plain(graph) for graph in graphs[1:]):
        return model if _is_plain(model) else _same_layers(model)
    whole: set[int] = set()
    while True:
        copying = Copying(keep, whole)
        try:
            # Safe mode is for files: the functions of this model are in memory already.
            with SafeModeScope(safe_mode=False):
                copy = copying.graph(model, model.name)
        except CannotOpen as problem:
            whole.add(id(problem.layer))
            continue
        changed = copying.opened or not all(_is_plain(graph) for graph in graphs)
        return copy if changed else model


def custom_layers(model: keras.Model) -> tuple[str, ...]:
    """Names of the layers whose classes Keras does not have, as `name (Class)`.

    A saved model loads only where their packages are.
    """
    return tuple(
        f"{path} ({type(operation).__name__})"
        for path, operation in operations_by_path(model).items()
        if not is_keras(operation)
    )


def _is_plain(graph: keras.Model) -> bool:
    return type(graph) in (Functional, keras.Sequential)


def _same_layers(model: keras.Model) -> keras.Model:
    functional = as_functional(model)
    return keras.Model(functional.input, functional.output, name=model.name)


def _require_graph_computes(graph: keras.Model) -> None:
    known = (Functional.call, keras.Sequential.call)
    if type(graph).call not in known:
        raise ModelError(
            f"{graph.name}: {type(graph).__name__} has a call() of its own, so its "
            "graph does not say what it computes. Build the model from keras.Input "
            "without call()."
        )


class Copying:
    """One pass over a model that builds its copy.

    Attributes:
        opened: number of layers that were opened or replaced.
    """

    def __init__(self, keep: Collection[type | str], whole: set[int]) -> None:
        self.opened = 0
        self._keep = keep
        self._whole = whole
        # One copy for each layer, however many graphs it is in; the original is held
        # so that its id stays its own.
        self._copies: dict[int, tuple[Any, Any]] = {}
        self._calls: dict[int, Call] = {}

    def graph(
        self,
        model: keras.Model,
        name: str,
        *,
        inside: Any | None = None,
        shapes: Sequence[Any] | None = None,
    ) -> keras.Model:
        """A Functional copy of a model.

        Args:
            model: Functional or Sequential.
            name: name of the copy.
            inside: the layer that the model was traced in.
            shapes: shapes of the inputs of the copy, batch first, if not the same.
        """
        functional = as_functional(model)
        names = sublayer_names(functional, inside)
        held: dict[int, Any] = {}
        shapes = shapes or [tensor.shape for tensor in functional.inputs]
        for tensor, shape in zip(functional.inputs, shapes, strict=True):
            layer = tensor._keras_history.operation
            held[id(tensor)] = keras.Input(
                batch_shape=shape, dtype=tensor.dtype, name=names[id(layer)]
            )
        for node in nodes_in_order(functional):
            if not node.is_input:
                outputs = self._called(node, held, names[id(node.operation)])
                found = keras.tree.flatten(outputs)
                pairs = zip(node.outputs, found, strict=True)
                held |= {id(tensor): value for tensor, value in pairs}
        inputs, outputs = (
            keras.tree.map_structure(lambda tensor: held[id(tensor)], structure)
            for structure in (functional.input, functional.output)
        )
        copy = keras.Model(inputs, outputs, name=name)
        # To set it sets that of all layers, which have their own.
        if not model.trainable:
            copy.trainable = False
        return copy

    def _called(self, node: Any, held: dict[int, Any], name: str) -> Any:
        """Outputs of the copy of an operation for the copied inputs of a call."""
        operation = node.operation
        if id(operation) in self._copies:
            copy = self._copies[id(operation)][1]
        else:
            copy = self.copy(node, held, name)
            self._copies[id(operation)] = (operation, copy)
        if id(operation) in self._calls:
            call = Call(node)
            if call.signature != self._calls[id(operation)].signature:
                raise CannotOpen(operation)
            return copy([held[id(tensor)] for tensor in call.tensors])
        arguments, keywords = node.arguments.fill_in(held)
        outputs = copy(*arguments, **keywords)
        # What takes the place of a layer of another class has its weights already.
        same_kind = type(copy) is type(operation) and not is_graph(operation)
        if same_kind and getattr(operation, "weights", None):
            copy.set_weights(operation.get_weights())
            if isinstance(copy, keras.layers.Normalization):
                copy.finalize_state()
        return outputs

    def copy(self, node: Any, held: dict[int, Any], name: str) -> Any:
        """The copy of the operation of a call, not yet called and without weights."""
        operation = node.operation
        if is_graph(operation):
            return self.graph(operation, name)
        if id(operation) in self._whole:
            return copied(node, held, name)
        replacement = equivalent(operation)
        if replacement is not None:
            self.opened += 1
            return replacement(name)
        if may_open(operation, self._keep):
            call = self._calls[id(operation)] = Call(node)
            inner = self.graph(open_layer(operation, call), name, inside=operation)
            self.opened += 1
            return call.checked(operation, inner)
        return copied(node, held, name)


def copied(node: Any, held: dict[int, Any], name: str) -> Any:
    """An operation of the same config under a name, without weights yet.

    Raises:
        ModelError: if its config does not rebuild it.
    """
    operation = node.operation
    try:
        config = dict(operation.get_config())
        if type(operation).__name__ == "Reshape" and "newshape" in config:
            before = held[id(node.input_tensors[0])].shape
            config["newshape"] = _open_batch(config["newshape"], before)
        if isinstance(operation, keras.Layer):
            return type(operation).from_config(config | {"name": name})
        copy = type(operation).from_config(config)
        copy.name = name
        return copy
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(
            f"{operation.name} ({type(operation).__name__}): the layer cannot be "
            f"copied from its config. {error}"
        ) from error


def _open_batch(newshape: Any, before: tuple[int | None, ...]) -> Any:
    """A target shape with -1 for the batch, which stands there as a size not known."""
    target = tuple(newshape)
    if target[0] is not None and not hasattr(target[0], "shape"):
        return newshape
    rest = target[1:]
    if -1 in rest and None not in before[1:]:
        whole = math.prod(size or 1 for size in before[1:])
        known = math.prod(size for size in rest if size != -1)
        rest = tuple(whole // known if size == -1 else size for size in rest)
    return (-1, *rest)
