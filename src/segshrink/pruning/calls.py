"""The calls of a Functional or Sequential model, and what is nested in it, by path."""

from collections.abc import Iterator
from typing import Any

import keras

from segshrink.errors import ModelError


def is_graph(operation: Any) -> bool:
    """Whether an operation is a nested Functional or Sequential model."""
    return isinstance(operation, keras.Sequential) or (
        isinstance(operation, keras.Model) and hasattr(operation, "_nodes_by_depth")
    )


def as_functional(model: keras.Model) -> keras.Model:
    """The graph of calls of a Functional or Sequential model.

    Raises:
        ModelError: if the model is not built, or not Functional or Sequential.
    """
    functional = model
    if isinstance(model, keras.Sequential):
        functional = model._functional
        if functional is None:
            raise ModelError(
                f"{model.name}: a Sequential model must be built before it is pruned. "
                "Start it with keras.Input(shape)."
            )
    if not hasattr(functional, "_nodes_by_depth"):
        raise ModelError(
            f"{getattr(model, 'name', model)}: only Functional and Sequential models "
            f"can be pruned, got {type(model).__name__}. Build it from keras.Input."
        )
    return functional


def nodes_in_order(functional: keras.Model) -> Iterator[Any]:
    """Every call of every layer, each after the calls that it depends on."""
    for depth in sorted(functional._nodes_by_depth, reverse=True):
        yield from functional._nodes_by_depth[depth]


def graphs_by_path(model: keras.Model, prefix: str = "") -> dict[str, keras.Model]:
    """Models that are nested in a model, by their paths."""
    found: dict[str, keras.Model] = {}
    for operation in as_functional(model).operations:
        if is_graph(operation):
            path = prefix + operation.name
            found |= {path: operation, **graphs_by_path(operation, f"{path}/")}
    return found


def operations_by_path(model: keras.Model, prefix: str = "") -> dict[str, Any]:
    """Layers and operations of a model and of those nested in it, by their paths."""
    found: dict[str, Any] = {}
    for operation in as_functional(model).operations:
        path = prefix + operation.name
        if is_graph(operation):
            found |= operations_by_path(operation, f"{path}/")
        else:
            found[path] = operation
    return found
