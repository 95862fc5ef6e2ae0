"""Build the smaller model: the same layers and names, with weights cut to size.

The model is rebuilt from its config, so what comes out is plain Keras: nothing of the
original is shared, wrapped or masked.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from segshrink.errors import ModelError
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.graph import ChannelGraph
from segshrink.pruning.layer_call import ConfigPath, LayerChannels

Kept = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class WeightCut:
    """What stays of one weight.

    Attributes:
        shape: the weight's shape before.
        kept: axis -> bool vector over that axis, True where the entry stays.
        neutral: value of removed entries in the model that keeps its shapes.
    """

    shape: tuple[int, ...]
    kept: Mapping[int, Kept]
    neutral: float

    @property
    def size_after(self) -> int:
        """Number of entries that stay."""
        shape = list(self.shape)
        for axis, kept in self.kept.items():
            shape[axis] = int(kept.sum())
        return math.prod(shape)

    def cut(self, values: np.ndarray) -> np.ndarray:
        """`values` without the removed entries."""
        for axis, kept in self.kept.items():
            values = np.compress(kept, values, axis=axis)
        return values

    def neutralize(self, values: np.ndarray) -> np.ndarray:
        """A copy of `values` with the removed entries made inert."""
        values = np.array(values)
        for axis, kept in self.kept.items():
            np.moveaxis(values, axis, 0)[~kept] = self.neutral
        return values


@dataclass(frozen=True, eq=False)
class LayerCut:
    """What stays of one layer: its weights by position, and numbers in its config."""

    layer: str
    weights: Mapping[int, WeightCut]
    sizes: Mapping[ConfigPath, int]


def layer_cuts(graph: ChannelGraph, removed: ChannelIds) -> tuple[LayerCut, ...]:
    """What removing channels does to each layer that holds any.

    Args:
        graph: the traced model.
        removed: root ids of the channels that leave.
    """

    def keeps(ids: ChannelIds) -> Kept:
        return ~np.isin(graph.space.roots(ids), removed)

    def cut_of(name: str, record: LayerChannels) -> LayerCut:
        weights = {
            position: WeightCut(
                shape=tuple(record.layer.weights[position].shape),
                kept={axis: keeps(ids) for axis, ids in axes.items()},
                neutral=record.neutral.get(position, 0.0),
            )
            for position, axes in record.slices.items()
        }
        sizes = {path: int(keeps(ids).sum()) for path, ids in record.sizes.items()}
        return LayerCut(name, weights, sizes)

    return tuple(
        cut_of(name, record)
        for name, record in graph.layers.items()
        if record.slices or record.sizes
    )


def parameters_removed(cuts: tuple[LayerCut, ...]) -> int:
    """Number of weight entries that leave, moving statistics included."""
    return sum(
        math.prod(weight.shape) - weight.size_after
        for cut in cuts
        for weight in cut.weights.values()
    )


def cut_model(model: keras.Model, cuts: tuple[LayerCut, ...]) -> keras.Model:
    """A smaller model with the channels removed; `model` is not changed.

    Raises:
        ModelError: if the cuts belong to another model, or it cannot be rebuilt.
    """
    _require_same_architecture(model, cuts)
    sizes = {cut.layer: cut.sizes for cut in cuts}
    return _with_weights(_rebuilt(model, sizes), model, cuts, WeightCut.cut)


def zero_model(model: keras.Model, cuts: tuple[LayerCut, ...]) -> keras.Model:
    """A copy of the same shapes in which the removed channels contribute nothing.

    The entries that make a channel and the entries that read it are zeroed: a channel
    whose filter is zero still carries its activation of 0 or its beta to the readers.

    Raises:
        ModelError: if the cuts belong to another model, or it cannot be rebuilt.
    """
    _require_same_architecture(model, cuts)
    return _with_weights(_rebuilt(model, {}), model, cuts, WeightCut.neutralize)


def copy_model(model: keras.Model) -> keras.Model:
    """A plain copy with weights of its own and without optimizer or loss.

    Raises:
        ModelError: if the model cannot be rebuilt from its config.
    """
    return _with_weights(_rebuilt(model, {}), model, (), WeightCut.cut)


def _require_same_architecture(model: keras.Model, cuts: tuple[LayerCut, ...]) -> None:
    layers = {layer.name: layer for layer in model.layers}
    for cut in cuts:
        shapes = [tuple(w.shape) for w in getattr(layers.get(cut.layer), "weights", ())]
        for position, weight in cut.weights.items():
            found = shapes[position] if position < len(shapes) else None
            if found != weight.shape:
                raise ModelError(
                    f"{model.name}: the plan was made for another model. Weight "
                    f"{position} of layer {cut.layer!r} must have shape "
                    f"{weight.shape}, got {found}. Plan again for this model."
                )


def _rebuilt(
    model: keras.Model, sizes: Mapping[str, Mapping[ConfigPath, int]]
) -> keras.Model:
    """The model from its config, with edited sizes and fresh weights, not compiled."""
    config = model.get_config()
    for layer in config["layers"]:
        # It holds the shapes of before, to which Keras would build the layer at once.
        layer.pop("build_config", None)
        for path, size in sizes.get(layer["config"]["name"], {}).items():
            layer["config"] = _edited(layer["config"], path, size)
    try:
        return type(model).from_config(config, custom_objects=_layer_classes(model))
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{model.name}: the model cannot be rebuilt from its config. {error}"
        ) from error


def _edited(config: Any, path: ConfigPath, size: int) -> Any:
    """A copy of a config of mappings and sequences with another number at `path`."""
    place, deeper = path[0], path[1:]
    edited: Any = dict(config) if isinstance(config, dict) else list(config)
    edited[place] = _edited(edited[place], deeper, size) if deeper else size
    return edited


def _layer_classes(model: keras.Model) -> dict[str, type]:
    """Classes of custom layers, which a user may not have registered with Keras."""
    classes = {type(layer) for layer in model._flatten_layers(include_self=False)}
    custom = {cls for cls in classes if not cls.__module__.startswith("keras.")}
    return {cls.__name__: cls for cls in custom}


def _with_weights(
    rebuilt: keras.Model,
    model: keras.Model,
    cuts: tuple[LayerCut, ...],
    change: Callable[[WeightCut, np.ndarray], np.ndarray],
) -> keras.Model:
    """Give `rebuilt` the weights of `model`, changed where a cut says so."""
    weight_cuts = {cut.layer: cut.weights for cut in cuts}
    for layer in model.layers:
        values = [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
        for position, weight_cut in weight_cuts.get(layer.name, {}).items():
            values[position] = change(weight_cut, values[position])
        rebuilt.get_layer(layer.name).set_weights(values)
    for layer in rebuilt._flatten_layers(include_self=False):
        # It computes with tensors that it derives from its weights once.
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return rebuilt
