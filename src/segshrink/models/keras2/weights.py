"""Weights in the groups of an HDF5 file that Keras 2 wrote, set by name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras.src.saving.saving_lib import safe_get_h5_dataset, safe_get_h5_group

from segshrink.errors import ModelError
from segshrink.models.keras2.graph import Built

Named = list[tuple[str, np.ndarray]]


def read_weights(group: Any) -> dict[str, Named]:
    """Names and values of the weights of each layer that has any, in file order.

    Args:
        group: the group of `layer_names`, of an `h5py.File` that is open.

    Raises:
        ModelError: if it lists what it does not hold.
    """
    found: dict[str, Named] = {}
    for layer in _listed(group, "layer_names"):
        try:
            # Links to other files are refused.
            inner = safe_get_h5_group(group, layer)
            weights = [
                (name, np.asarray(safe_get_h5_dataset(inner, name)))
                for name in _listed(inner, "weight_names")
            ]
        except (KeyError, ValueError) as error:
            raise ModelError(
                f"lists weights of layer {layer!r} that it does not hold itself; it "
                "may have been cut short. Copy it again."
            ) from error
        if weights:
            found[layer] = weights
    return found


def _listed(group: Any, name: str) -> list[str]:
    """A list among the attributes; a long one is divided into several."""
    values = list(group.attrs.get(name, ()))
    part = 0
    while f"{name}{part}" in group.attrs:
        values += list(group.attrs[f"{name}{part}"])
        part += 1
    return [each.decode() if isinstance(each, bytes) else str(each) for each in values]


def set_weights(built: Built, weights: Mapping[str, Named]) -> None:
    """Set the weights of a model that was built from the same file.

    Args:
        built: the model.
        weights: as `read_weights` gives them.

    Raises:
        ModelError: naming the layer whose weights are missing or of another shape.
    """
    for name, layer in built.layers.items():
        set_layer(name, layer, list(weights.get(name, ())))
    for name in weights:
        if name not in built.layers and name != "top_level_model_weights":
            raise ModelError(
                f"has weights of layer {name!r}, which is not among its layers. Save "
                "the model again."
            )


def set_layer(name: str, layer: keras.Layer | Built, named: Named) -> None:
    """Set the weights of one layer, or of all layers of a nested model.

    Raises:
        ModelError: naming the layer whose weights are missing or of another shape.
    """
    leaves = list(_leaves(name, layer))
    by_leaf = _by_name(leaves, named) if isinstance(layer, Built) else None
    if by_leaf is None:
        assign(name, legacy_order([leaf for _, leaf in leaves]), named)
    else:
        for (leaf_name, leaf), values in zip(leaves, by_leaf, strict=True):
            assign(leaf_name, legacy_order([leaf]), values)
    for _, leaf in leaves:
        if isinstance(leaf, keras.layers.Normalization) and leaf.built:
            leaf.finalize_state()


def _leaves(name: str, layer: keras.Layer | Built) -> Iterator[tuple[str, keras.Layer]]:
    if not isinstance(layer, Built):
        yield name, layer
        return
    for inner_name, inner in layer.layers.items():
        yield from _leaves(inner_name, inner)


def _by_name(
    leaves: Sequence[tuple[str, keras.Layer]], named: Named
) -> list[Named] | None:
    """The weights of each layer of a nested model by name; None if not all tell it."""
    numbers = {name: number for number, (name, _) in enumerate(leaves)}
    if len(numbers) < len(leaves):
        return None
    found: list[Named] = [[] for _ in leaves]
    for weight_name, value in named:
        owner = weight_name
        while owner and owner not in numbers:
            owner = owner.rpartition("/")[0]
        if not owner:
            return None
        found[numbers[owner]].append((weight_name, value))
    counts = [len(leaf.weights) for _, leaf in leaves]
    return found if counts == [len(each) for each in found] else None


def legacy_order(layers: Sequence[keras.Layer]) -> list[Any]:
    """Weights of layers as Keras 2 lists them: first all that are trained."""
    trained = [weight for layer in layers for weight in layer.trainable_weights]
    return trained + [w for layer in layers for w in layer.non_trainable_weights]


def assign(layer: str, variables: Sequence[Any], named: Named) -> None:
    """Set the weights of one layer.

    Raises:
        ModelError: naming the layer, and both shapes or both numbers of weights.
    """
    if len(variables) != len(named):
        raise ModelError(
            f"layer {layer!r} has {len(variables)} weights "
            f"({_shown((v.name, v.shape) for v in variables)}), but the file holds "
            f"{len(named)} ({_shown((n, v.shape) for n, v in named)}). Take the "
            "architecture that the weights were saved from."
        )
    for variable, (weight_name, value) in zip(variables, named, strict=True):
        if tuple(variable.shape) != value.shape:
            raise ModelError(
                f"layer {layer!r}: its {variable.name} is {tuple(variable.shape)}, but "
                f"{weight_name} in the file is {value.shape}. Take the architecture "
                "that the weights were saved from."
            )
        variable.assign(value)


def _shown(weights: Any) -> str:
    listed = [f"{name.rpartition('/')[2]} {tuple(shape)}" for name, shape in weights]
    return ", ".join(listed) or "none"
