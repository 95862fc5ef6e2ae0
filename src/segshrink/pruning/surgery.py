"""Build the smaller model: the same layers and names, with weights cut to size.

The model is rebuilt from its config, so what comes out is plain Keras: nothing of the
original is shared, wrapped or masked.
"""

import math
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras.src.saving.serialization_lib import SafeModeScope

from segshrink.errors import ModelError
from segshrink.models.calls import graphs_by_path, operations_by_path
from segshrink.pruning.channels import ChannelIds
from segshrink.pruning.graph import ChannelGraph
from segshrink.pruning.kept_statistics import KEPT_STATISTICS
from segshrink.pruning.layer_call import ConfigPath, LayerChannels

# Layers of these modules create their weights by initializers alone.
_KERAS_MODULES = ("keras.src.layers.", "keras.src.models.", "keras.src.ops.")

Kept = npt.NDArray[np.bool_]

KerasConfig = dict[str, Any]
"""An entry of `Model.get_config()["layers"]`, or what it holds: open by design, since
every layer class has arguments of its own."""


@dataclass(frozen=True, eq=False)
class WeightCut:
    """The entries of one weight that stay.

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
    """The weights, sizes and statistics of one layer that stay.

    Attributes:
        layer: path of the layer.
        weights: position in the layer's weights -> the entries that stay.
        sizes: place in the layer's entry in the model's config -> number to write.
        statistics: True for each channel that stays, of those over which the layer
            computes a mean or a norm; None if all of them stay.
    """

    layer: str
    weights: Mapping[int, WeightCut]
    sizes: Mapping[ConfigPath, int]
    statistics: Kept | None = None


def layer_cuts(graph: ChannelGraph, removed: ChannelIds) -> tuple[LayerCut, ...]:
    """Cuts that removing channels makes in each layer that holds any.

    Args:
        graph: the traced model.
        removed: root ids of the channels that leave.
    """
    leaves = np.zeros(graph.space.size, dtype=bool)
    leaves[removed] = True

    def keeps(ids: ChannelIds) -> Kept:
        return ~leaves[graph.space.roots(ids)]

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
        statistics = None
        if record.statistics is not None and not keeps(record.statistics).all():
            statistics = keeps(record.statistics)
        return LayerCut(name, weights, sizes, statistics)

    return tuple(
        cut_of(name, record)
        for name, record in graph.layers.items()
        if record.slices or record.sizes or record.statistics is not None
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
    return _rebuilt_with_weights(model, cuts)


def zero_model(model: keras.Model, cuts: tuple[LayerCut, ...]) -> keras.Model:
    """A copy of the same shapes in which the removed channels contribute nothing.

    The entries that produce a channel and those that consume it are zeroed: a channel
    whose filter is zero still passes its activation of 0, or its beta, to its
    consumers.
    Normalizations over channels become layers that leave the removed ones out.

    Raises:
        ModelError: if the cuts belong to another model, or it cannot be rebuilt.
    """
    _require_same_architecture(model, cuts)
    return _rebuilt_with_weights(model, cuts, keep_shapes=True)


def _require_same_architecture(model: keras.Model, cuts: tuple[LayerCut, ...]) -> None:
    layers = operations_by_path(model)
    for cut in cuts:
        weights = getattr(layers.get(cut.layer), "weights", ())
        shapes = [tuple(weight.shape) for weight in weights]
        for position, weight in cut.weights.items():
            found = shapes[position] if position < len(shapes) else None
            if found != weight.shape:
                raise ModelError(
                    f"{model.name}: the plan was made for another model. Weight "
                    f"{position} of layer {cut.layer!r} must have shape "
                    f"{weight.shape}, got {found}. Plan again for this model."
                )


def _rebuilt(
    model: keras.Model, cuts: tuple[LayerCut, ...], *, keep_shapes: bool = False
) -> keras.Model:
    """The model from its config, edited by the cuts, with fresh weights, not compiled.

    With `keep_shapes`, only normalizations over channels are replaced.
    """
    change = _with_kept_statistics if keep_shapes else _with_sizes
    changes = {cut.layer: cut for cut in cuts}

    def edited(entry: KerasConfig, prefix: str) -> KerasConfig:
        # It holds the old shapes, with which Keras would build the layer at once.
        entry = {key: entry[key] for key in entry if key != "build_config"}
        # Operations state their name beside their config, and some of them only there.
        config = entry["config"]
        path = prefix + (entry.get("name") or config["name"])
        entry["config"] = config | _initializers(operations.get(path), config)
        if path in graphs:
            inner = [edited(layer, f"{path}/") for layer in config["layers"]]
            entry["config"] = _without_build_shape(config) | {"layers": inner}
        return change(entry, changes[path]) if path in changes else entry

    graphs, operations = graphs_by_path(model), operations_by_path(model)
    try:
        config = _without_build_shape(model.get_config())
        config["layers"] = [edited(layer, "") for layer in config["layers"]]
        # Safe mode is for files: the functions of this model are in memory already.
        with SafeModeScope(safe_mode=False):
            return type(model).from_config(
                config, custom_objects=_custom_objects(model)
            )
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ModelError(
            f"{model.name}: the model cannot be rebuilt from its config. {error}"
        ) from error


def _initializers(operation: Any, config: KerasConfig) -> dict[str, keras.Initializer]:
    """Initializers in the config of a layer that has no others inside it, as they are.

    The copy of a layer takes the same ones, so that Keras need not make them anew.
    """
    is_layer = isinstance(operation, keras.Layer)
    if not is_layer or operation._flatten_layers(include_self=False):
        return {}
    return {
        name: value
        for name, value in vars(operation).items()
        if isinstance(value, keras.Initializer) and name in config
    }


def _without_build_shape(config: KerasConfig) -> KerasConfig:
    return {key: config[key] for key in config if key != "build_input_shape"}


def _with_sizes(entry: KerasConfig, cut: LayerCut) -> KerasConfig:
    for path, size in cut.sizes.items():
        entry = _edited(entry, path, size)
    return entry


def _with_kept_statistics(entry: KerasConfig, cut: LayerCut) -> KerasConfig:
    if cut.statistics is None:
        return entry
    return {
        **entry,
        "module": None,
        "class_name": f"Kept{entry['class_name']}",
        "registered_name": f"Kept{entry['class_name']}",
        "config": {**entry["config"], "kept": cut.statistics.tolist()},
    }


def _edited(config: Any, path: ConfigPath, size: int) -> Any:
    """A copy of a config of mappings and sequences with another number at `path`."""
    place, deeper = path[0], path[1:]
    edited: Any = dict(config) if isinstance(config, dict) else list(config)
    edited[place] = _edited(edited[place], deeper, size) if deeper else size
    return edited


def _custom_objects(model: keras.Model) -> dict[str, type | FunctionType]:
    """Custom layers, models and functions, which need not be registered in Keras."""
    operations = [*operations_by_path(model).values(), *graphs_by_path(model).values()]
    functions = [
        value
        for operation in operations
        for value in vars(operation).values()
        if isinstance(value, FunctionType)
    ]
    named: list[type | FunctionType] = [*functions, *map(type, operations)]
    own = [each for each in named if not each.__module__.startswith("keras.")]
    return {each.__name__: each for each in (*own, *KEPT_STATISTICS.values())}


def _rebuilt_with_weights(
    model: keras.Model, cuts: tuple[LayerCut, ...], *, keep_shapes: bool = False
) -> keras.Model:
    """The model, rebuilt with weights that the cuts leave, or neutralize.

    Variables that are created in a stateless scope have no values before it ends; until
    then their initializers are exchanged for the weights, so that none of them is drawn
    at random, nor written twice.
    """
    change = WeightCut.neutralize if keep_shapes else WeightCut.cut
    with keras.StatelessScope() if _may_wait(model) else nullcontext():
        rebuilt = _rebuilt(model, cuts, keep_shapes=keep_shapes)
        _give_weights(rebuilt, model, cuts, change)
    for layer in rebuilt._flatten_layers():
        # PyTorch knows the parameters of a layer only once they have values.
        layer._post_build()
        # This layer computes with tensors that it derives from its weights only once.
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    return rebuilt


def _may_wait(model: keras.Model) -> bool:
    """Whether every layer can be built before its variables have values.

    A layer from elsewhere may create a variable from an array, which a stateless scope
    refuses.
    """
    operations = [*operations_by_path(model).values(), *graphs_by_path(model).values()]
    layers = [each for each in operations if isinstance(each, keras.Layer)]
    inner = [each for layer in layers for each in layer._flatten_layers()]
    return all(
        type(each).__module__.startswith(_KERAS_MODULES)
        for each in (*operations, *inner)
    )


def _give_weights(
    rebuilt: keras.Model,
    model: keras.Model,
    cuts: tuple[LayerCut, ...],
    change: Callable[[WeightCut, np.ndarray], np.ndarray],
) -> None:
    """Give `rebuilt` the weights of `model`, changed where a cut says so."""
    weight_cuts = {cut.layer: cut.weights for cut in cuts}
    targets = operations_by_path(rebuilt)
    for path, layer in operations_by_path(model).items():
        weights = getattr(layer, "weights", ())
        # Raw operations hold none, and may be called otherwise in the rebuilt model.
        if not weights:
            continue
        of_layer = weight_cuts.get(path, {})
        pairs = zip(weights, targets[path].weights, strict=True)
        for position, (weight, target) in enumerate(pairs):
            values = np.asarray(weight)
            cut = of_layer.get(position)
            _give(target, values.copy() if cut is None else change(cut, values))


def _give(variable: keras.Variable, values: np.ndarray) -> None:
    """Set the values of a variable, which may not have been initialized yet."""
    if tuple(variable.shape) != values.shape:
        raise ModelError(
            f"{variable.path}: the config gives this weight the shape "
            f"{tuple(variable.shape)}, but the cut leaves {values.shape}."
        )
    if variable._value is None:
        variable._initializer = lambda shape, dtype=None: values
    else:
        variable.assign(values)
