"""Calls and layers of a Functional or Sequential model and its nested models."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import keras

from segshrink.errors import ModelError

Compute = Callable[[str, Any, list[Any]], list[Any]]
"""From the path of a layer, one of its calls and its inputs to the outputs."""


def is_graph(operation: Any) -> bool:
    """Whether an operation is a nested Functional or Sequential model."""
    return isinstance(operation, keras.Sequential) or (
        isinstance(operation, keras.Model) and hasattr(operation, "_nodes_by_depth")
    )


def as_functional(model: keras.Model) -> keras.Model:
    """Functional form of a Functional or Sequential model.

    Raises:
        ModelError: if the model is not built, or not Functional or Sequential.
    """
    functional = model
    if isinstance(model, keras.Sequential):
        functional = model._functional
        if functional is None:
            raise ModelError(
                f"{model.name}: a Sequential model must be built first. "
                "Start it with keras.Input(shape)."
            )
    if not hasattr(functional, "_nodes_by_depth"):
        raise ModelError(
            f"{getattr(model, 'name', model)}: only Functional and Sequential models "
            f"can be followed call by call, got {type(model).__name__}. Build it "
            "from keras.Input."
        )
    return functional


def nodes_in_order(functional: keras.Model) -> Iterator[Any]:
    """Every call of every layer, each after the calls that it depends on.

    A layer that is called twice has two. Models that are nested are one call each.
    """
    # Keras offers no public walk; get_config() only spells the calls as text.
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from functional._nodes_by_depth[depth]


def graphs_by_path(model: keras.Model, prefix: str = "") -> dict[str, keras.Model]:
    """Models that are nested in a model, by their paths."""
    graphs: dict[str, keras.Model] = {}
    for operation in as_functional(model).operations:
        if is_graph(operation):
            path = prefix + operation.name
            graphs |= {path: operation, **graphs_by_path(operation, f"{path}/")}
    return graphs


def operations_by_path(
    model: keras.Model, prefix: str = ""
) -> dict[str, keras.Operation]:
    """Layers and operations of a model and its nested models, by their paths."""
    operations: dict[str, keras.Operation] = {}
    for operation in as_functional(model).operations:
        path = prefix + operation.name
        if is_graph(operation):
            operations |= operations_by_path(operation, f"{path}/")
        else:
            operations[path] = operation
    return operations


def run_calls(
    model: keras.Model, inputs: list[Any], compute: Compute, prefix: str = ""
) -> list[Any]:
    """Outputs of a model whose calls are computed by `compute`.

    Args:
        model: Functional or Sequential; models nested in it are entered.
        inputs: one value per input, of any type that `compute` takes.
        compute: returns the outputs of one call.
        prefix: prefix of the paths.
    """
    functional = as_functional(model)
    held = {id(t): value for t, value in zip(functional.inputs, inputs, strict=True)}
    waiting = Counter(id(tensor) for tensor in functional.outputs)
    nodes = [node for node in nodes_in_order(functional) if not node.is_input]
    for node in nodes:
        waiting.update(id(tensor) for tensor in node.input_tensors)
    for node in nodes:
        path = prefix + node.operation.name
        read = [held[id(tensor)] for tensor in node.input_tensors]
        if is_graph(node.operation):
            outputs = run_calls(node.operation, read, compute, f"{path}/")
        else:
            outputs = compute(path, node, read)
        held |= {id(t): value for t, value in zip(node.outputs, outputs, strict=True)}
        del read
        for tensor in node.input_tensors:
            waiting[id(tensor)] -= 1
            if not waiting[id(tensor)]:
                held.pop(id(tensor), None)
    return [held[id(tensor)] for tensor in functional.outputs]


def arguments_of(node: Any, inputs: list[Any]) -> tuple[Any, Any]:
    """Arguments and keywords of a call, with `inputs` in place of symbolic tensors."""
    pairs = zip(node.input_tensors, inputs, strict=True)
    return node.arguments.fill_in({id(tensor): value for tensor, value in pairs})


def arguments_in_inference(node: Any, inputs: list[Any]) -> tuple[Any, Any]:
    """`arguments_of` a call, which no layer takes for one in training.

    As in a Keras model in inference, whatever was said when the layer was called:
    layers that augment images record that they are in training unless told otherwise.
    """
    arguments, keywords = arguments_of(node, inputs)
    if getattr(node.operation, "_call_has_training_arg", False):
        keywords = {**keywords, "training": False}
    return arguments, keywords


def same_call(path: str, node: Any, inputs: list[Any]) -> list[Any]:
    """Outputs of a call by its own operation; for `run_calls`."""
    arguments, keywords = arguments_of(node, inputs)
    return keras.tree.flatten(node.operation(*arguments, **keywords))


def calls(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, call, its Functional model) in order, nested models included."""
    functional = as_functional(model)
    for node in nodes_in_order(functional):
        path = prefix + node.operation.name
        if is_graph(node.operation):
            yield from calls(node.operation, f"{path}/")
        elif not node.is_input:
            yield path, node, functional
